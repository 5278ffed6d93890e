// templates/*.hbs with every value quoted for the language it lands in; a bare value cannot be written.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';
import type { JsonObject } from '../model/cluster.ts';

const engine = Handlebars.create();
engine.registerHelper('unit', (value: unknown) => unitValue(value));

/** Renders templates/NAME.hbs. A value that is missing or holds what a unit file would misread throws. */
export function renderTemplate(name: string, values: JsonObject): string {
  return template(name)(values);
}

// Compiled once: a plan renders the same template for every machine.
const compiled = new Map<string, Handlebars.TemplateDelegate>();

function template(name: string): Handlebars.TemplateDelegate {
  const known = compiled.get(name);
  if (known) return known;
  const text = readFileSync(join(templatesFolder(), `${name}.hbs`), 'utf8');
  const made = engine.compile(text, { noEscape: true, strict: true, knownHelpersOnly: false });
  compiled.set(name, made);
  return made;
}

// The sources stand in src/resources, the compiled files in dist/src/resources.
function templatesFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'templates'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('the templates folder is missing from this installation');
    folder = parent;
  }
  return join(folder, 'templates');
}

/** systemd.service(5): % expands specifiers, $ variables, quotes and backslashes group; none of our values has them. */
function unitValue(value: unknown): string {
  if (typeof value !== 'string' || !/^[\w./:=@,+ -]+$/.test(value)) {
    throw new TypeError(`not a value for a unit file: ${JSON.stringify(value)}`);
  }
  return value;
}
