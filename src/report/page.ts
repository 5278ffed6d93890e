// The report: one HTML file that asks the network for nothing.
import { createHash } from 'node:crypto';
import { count } from '../render/text.ts';
import { criticalPath } from './critical-path.ts';
import { diagnosisPart, type Looked } from './diagnosis.ts';
import { type Html, html } from './html.ts';
import { layersTable, phaseSections } from './phases.ts';
import type { Run } from './run.ts';
import { script } from './script.ts';
import { changes, failures, head, map, pathTable, remarks } from './sections.ts';
import { style } from './style.ts';
import { timeline } from './timeline.ts';

interface Report {
  readonly run: Run;
  /** The run before, of the same cluster. */
  readonly earlier: Run | undefined;
  /** What doctor found, where it was asked. */
  readonly looked?: Looked | undefined;
}

export function renderReport({ run, earlier, looked }: Report): string {
  const { started, unread } = run;
  // In a rehearsal nothing takes time, so nothing waits for anything.
  const path = started.simulated ? [] : criticalPath(run.phases.flatMap(({ deeds }) => deeds));
  const failed = failures(run);
  const parts: readonly (readonly [string, string, Html])[] = [
    ['timeline', 'Timeline', html`${timeline(run, path)}${pathTable(path, run)}`],
    ['phases', 'Phases and evidence', html`${phaseSections(run)}`],
    ...(looked ? [['doctor', 'What doctor found', diagnosisPart(looked)] as const] : []),
    ['machines', 'Machines', html`${map(run)}${layersTable(run)}`],
    ['changes', 'Since the run before', changes(run, earlier)],
    ['remarks', 'Refusals and notes', remarks(run)],
  ];
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '${hashOf(style)}'; script-src '${hashOf(script)}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${started.cluster}: ${started.command} (run ${started.run})</title>
<style>${{ html: style }}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<svg class="defs" width="0" height="0" aria-hidden="true"><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M0 5L5 0" stroke-width="1.5"></path></pattern></svg>
${head(run)}
<nav aria-label="parts">${failed ? html`<a href="#failures">What failed</a>` : ''}${parts.map(([id, title]) => html`<a href="#${id}">${title}</a>`)}<label>machine <input id="filter" type="search" placeholder="part of its name" autocomplete="off" spellcheck="false"></label></nav>
<main id="main" tabindex="-1">
${failed}
${parts.map(([id, title, part]) => html`<section id="${id}"><h2>${title}</h2>${part}</section>`)}
</main>
<footer><p class="aside">${unread > 0 ? `${count(unread, 'line')} of the journal could not be read (cut off, or of another version). ` : ''}Made from the run's journal by homelab report.</p></footer>
<script>${{ html: script }}</script>
</body>
</html>
`.html;
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
