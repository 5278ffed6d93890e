// Questions to a person. Answers come from inquirer, or from a test.
import { HomelabError } from '../model/errors.ts';

export interface Choice {
  readonly name: string;
  readonly value: string;
  readonly checked: boolean;
}

export interface Asking {
  text(question: string, usual: string, problemOf?: (answer: string) => string | undefined): Promise<string>;
  confirm(question: string): Promise<boolean>;
  choose(
    question: string,
    choices: readonly Choice[],
    problemOf: (chosen: readonly string[]) => string | undefined,
  ): Promise<readonly string[]>;
}

export const askPerson: Asking = {
  text: (message, usual, problemOf = () => undefined) =>
    asked({
      type: 'input',
      message,
      ...(usual === '' ? {} : { default: usual }),
      validate: (answer: string) => problemOf(answer.trim()) ?? true,
      filter: (answer: string) => answer.trim(),
    }),
  confirm: message => asked({ type: 'confirm', message, default: false }),
  choose: (message, choices, problemOf) =>
    asked({
      type: 'checkbox',
      message,
      choices,
      loop: false,
      validate: (chosen: readonly { readonly value: string }[]) => problemOf(chosen.map(({ value }) => value)) ?? true,
    }),
};

async function asked<T>(question: object): Promise<T> {
  const { default: inquirer } = await import('inquirer');
  try {
    // The types of a question depend on its kind; what comes back is what the kind says.
    const answers: object = await inquirer.prompt([{ ...question, name: 'answer' }] as never);
    return (answers as { readonly answer: T }).answer;
  } catch (cause) {
    throw new HomelabError('HL_CANCELLED', 'interrupted; nothing was written', { cause });
  }
}
