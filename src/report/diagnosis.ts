// What doctor found, as a part of the report: causes first, each with what follows from it, its evidence and what to type.
import type { Diagnosed, Diagnosis } from '../doctor/diagnose.ts';
import { grouped } from '../model/grouped.ts';
import { count } from '../render/text.ts';
import { type Html, html } from './html.ts';

/** One look: the machines and the API as they were at one moment. */
export interface Looked {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly diagnosis: Diagnosis;
}

export function diagnosisPart({ at, diagnosis }: Looked): Html {
  const { broken, worthDoing, notes, unseen, asked } = diagnosis;
  const also = [...worthDoing, ...notes];
  return html`<p>Looked at ${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC, ${count(asked, 'rule')} asked. ${broken.length === 0 ? 'Nothing is broken, as far as could be seen.' : ''}</p>
${broken.map(cause)}
${also.length > 0 ? html`<h3>Worth doing, worth knowing</h3><ul>${also.map(each => html`<li>${each.says} <code>${each.rule}</code>${each.cure.length > 0 ? html`<pre>${each.cure.join('\n')}</pre>` : ''}</li>`)}</ul>` : ''}
${
  unseen.length > 0
    ? html`<details><summary>${count(unseen.length, 'thing')} could not be looked at</summary><ul>${grouped(
        unseen,
        ({ why }) => why,
      ).map(group => html`<li>${group.map(({ what }) => what).join(', ')}: ${group[0].why}</li>`)}</ul></details>`
    : ''
}`;
}

function cause({ says, rule, certainty, unexplained, evidence, settledBy, cure, consequences }: Diagnosed): Html {
  return html`<article class="failure"><h3><b class="bad">✖</b> ${says} <small>${unexplained ? 'no cause known' : certainty}, ${rule}</small></h3>
<dl>${evidence.map(each => html`<dt>evidence</dt><dd>${each.from}: ${each.says}<br><code>${each.again}</code></dd>`)}${
    certainty !== 'certain' && settledBy !== undefined ? html`<dt>settled by</dt><dd>${settledBy}</dd>` : ''
  }<dt>cure</dt><dd><pre>${cure.join('\n')}</pre></dd></dl>
${consequences.length > 0 ? html`<p>It explains:</p>${tree(consequences)}` : ''}</article>`;
}

function tree(consequences: readonly Diagnosed[]): Html {
  return html`<ul>${consequences.map(each => html`<li>${each.says} <code>${each.rule}</code>${each.consequences.length > 0 ? tree(each.consequences) : ''}</li>`)}</ul>`;
}
