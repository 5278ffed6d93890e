// What a shell may complete, from the commands themselves: one sh function that knows the words, and a few lines of glue a shell.
import type { Command, Option } from 'commander';
import { sh } from '../model/shell.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

export interface Known {
  readonly phases: readonly string[];
  /** What `homelab explain` takes. */
  readonly explained: readonly string[];
}

export function completionScript(shell: Shell, program: Command, known: Known): string {
  const words = wordsFunction(program, known);
  switch (shell) {
    case 'bash':
      return `# homelab: completion for bash. In ~/.bashrc: source <(homelab completion bash)\n${words}${bashGlue}`;
    case 'zsh':
      return `#compdef homelab\n# homelab: completion for zsh. In ~/.zshrc: source <(homelab completion zsh)\n${words}${zshGlue}`;
    case 'fish':
      return `# homelab: completion for fish. In ~/.config/fish/config.fish: homelab completion fish | source\n${fishGlue(words)}`;
  }
}

interface Place {
  /** '', 'plan', 'bundle make'. */
  readonly path: string;
  readonly command: Command;
}

function placesOf(command: Command, path = ''): readonly Place[] {
  return [
    { path, command },
    ...command.commands.flatMap(each => placesOf(each, path === '' ? each.name() : `${path} ${each.name()}`)),
  ];
}

// Prints a candidate a line; ':files' and ':dirs' leave it to the shell.
function wordsFunction(program: Command, { phases, explained }: Known): string {
  const places = placesOf(program);
  const paths = places.flatMap(({ path }) => (path === '' ? [] : [sh(path)]));
  const values = places.flatMap(({ path, command }) =>
    command.options.flatMap(option => {
      const answer = valuesOf(option);
      const names = [option.long, option.short].filter(name => name !== undefined && name !== null);
      return answer === undefined ? [] : [`    ${names.map(name => sh(`${path} ${name}`)).join('|')}) ${answer} ;;`];
    }),
  );
  const here = places.map(({ path, command }) => {
    const options = command.options.filter(({ hidden }) => !hidden).flatMap(({ long }) => long ?? []);
    const subcommands = command.commands.map(each => each.name());
    return `    ${path === '' ? "''" : sh(path)}) words ${[...subcommands, ...options, '--help'].map(sh).join(' ')}${argumentsOf(command)} ;;`;
  });
  return `__homelab_complete() {
  local current="$1" place='' previous='' inventory=inventory/homelab.yaml word
  shift
  for word in "$@"; do
    [ "$word" != '=' ] || continue
    case "$previous" in -i|--inventory) inventory=$word ;; esac
    previous=$word
    case "\${place:+$place }$word" in
      ${paths.join('|')}) place="\${place:+$place }$word" ;;
    esac
  done
  words() { printf '%s\\n' "$@"; }
  hosts() {
    sed -n '/^hosts:/,$ s/^[ -]*{\\{0,1\\} *name: *"\\{0,1\\}\\([A-Za-z0-9.-]*\\).*/\\1/p' "$inventory" 2>/dev/null
  }
  phases() {
    case "$current" in
      */*) hosts | sed "s|^|\${current%%/*}/|" ;;
      *) words ${phases.map(sh).join(' ')} ;;
    esac
  }
  explained() { words ${explained.map(sh).join(' ')}; }
  case "$place $previous" in
${values.join('\n')}
    *) case "$place" in
${here.map(line => `  ${line}`).join('\n')}
    esac ;;
  esac
}
`;
}

/** sh that prints what may follow the option; undefined for one that takes nothing. */
function valuesOf({ flags, required, optional, argChoices }: Option): string | undefined {
  if (!required && !optional) return undefined;
  if (argChoices) return `words ${argChoices.map(sh).join(' ')}`;
  return byPlaceholder(/<(.+)>/.exec(flags)?.[1] ?? '');
}

function byPlaceholder(placeholder: string): string {
  if (/^FILE|^ARCHIVE/.test(placeholder)) return 'echo :files';
  if (/^DIR/.test(placeholder)) return 'echo :dirs';
  if (/^PHASE/.test(placeholder)) return 'phases';
  if (placeholder === 'HOST') return 'hosts';
  if (placeholder === 'WHERE') return 'words ssh-config known-hosts';
  // Anything else only its user knows.
  return ':';
}

function argumentsOf(command: Command): string {
  const [first] = command.registeredArguments;
  if (!first) return '';
  if (first.argChoices) return `; words ${first.argChoices.map(sh).join(' ')}`;
  const name = first.name().toUpperCase();
  if (name === 'WHAT') return '; explained';
  return name === 'NAME' ? '; hosts' : `; ${byPlaceholder(name)}`;
}

const bashGlue = `_homelab() {
  local current=\${COMP_WORDS[COMP_CWORD]} answer IFS=$'\\n'
  [ "$current" != '=' ] || current=
  answer=$(__homelab_complete "$current" "\${COMP_WORDS[@]:1:COMP_CWORD-1}")
  case "$answer" in
    *:files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    *:dirs) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$answer" -- "$current") ;;
  esac
}
complete -F _homelab homelab
`;

const zshGlue = `_homelab() {
  local -a answer
  answer=("\${(@f)$(__homelab_complete "\${words[CURRENT]}" "\${(@)words[2,CURRENT-1]}")}")
  case "$answer[-1]" in
    :files) _files ;;
    :dirs) _files -/ ;;
    *) compadd -a answer ;;
  esac
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _homelab homelab
`;

function fishGlue(words: string): string {
  // In fish's single quotes a backslash and a quote are escaped, and nothing else.
  const script = `${words}__homelab_complete "$@"`.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
  return `function __homelab_answer
    set -l current (commandline -ct)
    set -l words (commandline -opc)
    set -l answer (sh -c '${script}' sh "$current" $words[2..-1])
    switch "$answer[-1]"
        case :files
            __fish_complete_path "$current"
        case :dirs
            __fish_complete_directories "$current"
        case '*'
            printf '%s\\n' $answer
    end
end
complete -c homelab -f -a '(__homelab_answer)'
`;
}
