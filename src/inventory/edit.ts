// Edits of an inventory's text that leave every other byte as its owner wrote it; or, where that is not certain, what to write by hand.
import { isDeepStrictEqual } from 'node:util';
import type * as z from 'zod';
import { type HostsLayout, hostsLayout } from './hosts-layout.ts';
import { addEntry, removeEntry, renderEntry, type Splice } from './hosts-splices.ts';
import { renderIssue, shown } from './issue.ts';
import { type InventoryContext, parseInventory } from './parse.ts';
import { at, listAt, textAt, toJson } from './raw.ts';
import type { host } from './schema-host.ts';
import { versionSplices } from './version-splices.ts';
import { readYaml } from './yaml.ts';

/** An entry of `hosts`, as it is written. */
export type HostEntry = z.input<typeof host>;

export type Edit =
  | { readonly kind: 'edited'; readonly text: string }
  /** Nothing was changed: what a person is to write (or to delete), and why homelab did not. */
  | { readonly kind: 'snippet'; readonly snippet: string; readonly why: string };

/** The machine as the last entry of `hosts`, written the way the entry before it is written. */
export function addHost(text: string, entry: HostEntry, context: InventoryContext): Edit {
  const host = withoutUndefined(entry);
  return editHosts(text, context, `${renderEntry(host, '', 2)}\n`, {
    intended: hosts => [...hosts, host],
    splices: (body, layout) => addEntry(body, layout, host),
  });
}

/** Without the machine, and without the comments inside its entry. */
export function removeHost(text: string, name: string, context: InventoryContext): Edit {
  const isIt = (host: unknown): boolean => textAt(host, ['name']) === name;
  return editHosts(text, context, `- name: ${name}\n`, {
    intended: hosts => hosts.filter(host => !isIt(host)),
    splices(body, layout, hosts) {
      const index = hosts.findIndex(isIt);
      return index === -1 ? `no machine in it is called ${shown(name)}` : removeEntry(body, layout, index);
    },
  });
}

/** With this version of Kubernetes, whether it named one before or left it to its profile. */
export function setVersion(text: string, version: string, context: InventoryContext): Edit {
  return edit(text, context, `version: "${version}"\n`, {
    intended: before => ({ ...before, kubernetes: { ...Object(at(before, ['kubernetes'])), version } }),
    splices: body => versionSplices(body, readYaml(Buffer.from(body), context.file), version),
  });
}

interface HostsIntention {
  /** `hosts` as it is to be afterwards. */
  intended(hosts: readonly unknown[]): readonly unknown[];
  /** A text says why not. */
  splices(body: string, layout: HostsLayout, hosts: readonly unknown[]): readonly Splice[] | string;
}

function editHosts(text: string, context: InventoryContext, snippet: string, intention: HostsIntention): Edit {
  const hostsOf = (inventory: object) => listAt(inventory, ['hosts']);
  return edit(text, context, snippet, {
    intended: before => ({ ...before, hosts: intention.intended(hostsOf(before)) }),
    splices(body, before) {
      const layout = hostsLayout(body);
      return layout ? intention.splices(body, layout, hostsOf(before)) : 'its hosts are not written out as one list';
    },
  });
}

interface Intention {
  /** The inventory as it is to be afterwards. */
  intended(before: object): object;
  /** A text says why not. */
  splices(body: string, before: object): readonly Splice[] | string;
}

// The new text is read again as a whole: it must be valid, and nothing but the intended may have changed in it.
function edit(text: string, context: InventoryContext, snippet: string, intention: Intention): Edit {
  const no = (why: string): Edit => ({ kind: 'snippet', snippet, why });
  const before = read(text, context);
  if (!before.ok) return no(before.why);
  const mark = text.startsWith('\u{feff}') ? '\u{feff}' : '';
  const body = text.slice(mark.length);
  const splices = intention.splices(body, before.value);
  if (typeof splices === 'string') return no(splices);
  const edited = mark + splice(body, splices);
  const after = read(edited, context);
  if (!after.ok) return no(after.why);
  if (!isDeepStrictEqual(after.value, intention.intended(before.value)))
    return no('the edit would change something else in it too');
  return { kind: 'edited', text: edited };
}

function read(
  text: string,
  context: InventoryContext,
): { readonly ok: true; readonly value: object } | { readonly ok: false; readonly why: string } {
  const bytes = Buffer.from(text);
  const parsed = parseInventory(bytes, context);
  if (parsed.ok) return { ok: true, value: Object(toJson(readYaml(bytes, context.file).value)) };
  return { ok: false, why: parsed.issues.slice(0, 1).map(renderIssue).join('') };
}

/** From the last to the first, so that offsets stay true. */
function splice(text: string, splices: readonly Splice[]): string {
  return splices
    .toSorted((left, right) => left.from - right.from)
    .reduceRight((now, { from, to, insert }) => now.slice(0, from) + insert + now.slice(to), text);
}

function withoutUndefined(entry: HostEntry): unknown {
  return JSON.parse(JSON.stringify(entry));
}
