// The report's other parts: how it ended, what failed, the critical path, the map, what is otherwise than before, what was said.

import { grouped } from '../model/grouped.ts';
import { alike, type Failure } from '../render/error.ts';
import { count, duration, lines, oneLine } from '../render/text.ts';
import { compared, type Difference } from './changes.ts';
import { type Html, html } from './html.ts';
import { names } from './phases.ts';
import type { Deed, Run } from './run.ts';
import { endingOf } from './sentence.ts';

export function head(run: Run): Html {
  const { started, finished, lastWordAt } = run;
  const { mark, says, next } = endingOf(run);
  const sign = { ok: '✔', bad: '✖', open: '–' }[mark];
  const commands = Object.values(finished?.remoteCommands ?? {});
  return html`
<header>
<p class="kicker">homelab ${started.version}, cluster <b>${started.cluster}</b>, run ${started.run}</p>
<h1><b class="${mark}">${sign}</b> ${says}</h1>
<p><code>${oneLine(started.command)}</code></p>
${started.simulated ? html`<p class="simulated">Simulated: machines were predicted, none was touched; nothing in this report is proof.</p>` : ''}
${next === undefined ? '' : html`<p>Next: <code>${next}</code> (what is done is not done again)</p>`}
<dl class="facts">
<dt>began</dt><dd>${moment(started.at)}</dd>
<dt>${finished ? 'ended' : 'last word'}</dt><dd>${moment(finished?.at ?? lastWordAt)}</dd>
${finished ? html`<dt>exit code</dt><dd>${finished.exitCode}</dd>` : ''}
<dt>machines</dt><dd>${started.hosts.length}</dd>
<dt>steps</dt><dd>${run.phases.flatMap(({ deeds }) => deeds).filter(({ outcome }) => outcome === 'done').length} done of ${run.phases.flatMap(({ planned }) => planned).length}</dd>
<dt>proofs</dt><dd>${run.phases.flatMap(({ evidence }) => evidence).filter(({ ok }) => ok).length} of ${run.phases.flatMap(({ evidence }) => evidence).length}</dd>
${commands.length > 0 ? html`<dt>remote commands</dt><dd>${commands.reduce((sum, each) => sum + each, 0)}, at most ${Math.max(...commands)} on one machine</dd>` : ''}
</dl>
</header>`;
}

function moment(at: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`;
}

export function failures({ failures: all }: Run): Html | undefined {
  if (all.length === 0) return undefined;
  return html`
<section id="failures"><h2>What failed</h2>
${alike(all).map(failure)}
</section>`;
}

const lastLines = 15;

function failure([first, ...others]: readonly [Failure, ...Failure[]]): Html {
  const { code, message, host, step, command, exitStatus, stderr, details, hint } = first;
  const same = others.flatMap(other => other.host ?? []);
  const tail = lines(stderr).slice(-lastLines);
  const row = (name: string, value: Html | string | undefined) =>
    value === undefined ? undefined : html`<dt>${name}</dt><dd>${value}</dd>`;
  return html`<article class="failure" data-m="${[host ?? '', ...same].join(' ')}"><h3><b class="bad">✖</b> ${message} <code>${code}</code></h3>
<dl>${row('machine', host && html`${host}${same.length > 0 ? ` (the same on ${same.join(', ')})` : ''}`)}${row('step', step && html`<code>${step}</code>`)}${row('command', command && html`<code>${command}</code>${exitStatus === undefined ? '' : ` exit ${exitStatus}`}`)}${row(
    'last lines',
    tail.length > 0 ? html`<pre>${tail.join('\n')}</pre>` : undefined,
  )}${row('details', details.length > 0 ? html`<pre>${details.join('\n')}</pre>` : undefined)}${row('to mend', hint && html`<pre>${hint}</pre>`)}</dl></article>`;
}

export function pathTable(path: readonly Deed[], run: Run): Html | undefined {
  const [first] = path;
  if (first === undefined) return undefined;
  const whole = run.lastWordAt - run.started.at;
  const steps = path.reduce((sum, { durationMs }) => sum + durationMs, 0);
  return html`
<details><summary>Critical path: ${count(path.length, 'step')}, ${duration(steps)} of ${duration(whole)}; the rest was looking, proving and waiting for an answer</summary>
<table><thead><tr><th scope="col">from</th><th scope="col">took</th><th scope="col">machine</th><th scope="col">step</th></tr></thead>
<tbody>${path.map(({ from, durationMs, host, title, phase }) => html`<tr data-m="${host}"><td>${duration(from)}</td><td>${duration(durationMs)}</td><td>${host}</td><td>${title} <span class="aside">${phase}</span></td></tr>`)}</tbody></table></details>`;
}

export function map(run: Run): Html {
  const { after, started } = run;
  if (started.simulated && after.length > 0)
    return html`<table><thead><tr><th scope="col">machine</th><th scope="col">role</th><th scope="col">address</th></tr></thead>
<tbody>${after.map(({ host, role, address }) => html`<tr data-m="${host}"><th scope="row">${host}</th><td>${role}</td><td>${address}</td></tr>`)}</tbody></table>`;
  if (after.length === 0)
    return html`<p>${started.hosts.join(', ')}</p><p class="aside">This run's journal knows no more of its machines than their names.</p>`;
  return html`<table><thead><tr><th scope="col">machine</th><th scope="col">role</th><th scope="col">address</th><th scope="col">system</th><th scope="col">kubelet</th><th scope="col">containerd</th><th scope="col">adapters</th></tr></thead>
<tbody>${after.map(({ host, role, address, os, kernel, arch, virtualization, kubelet, containerd, nics }) => {
    const before = run.before.find(each => each.host === host);
    const version = (was: string | undefined, is: string) => (was === undefined || was === is ? is : `${was} → ${is}`);
    return html`<tr data-m="${host}"><th class="whole" scope="row">${host}</th><td class="whole">${role}</td><td class="whole">${address}</td><td>${os}<br><span class="aside">${kernel}, ${arch}, ${virtualization === 'none' ? 'metal' : virtualization}</span></td><td>${version(before?.kubelet, kubelet)}</td><td>${version(before?.containerd, containerd)}</td><td>${nics.map(({ name, mac, mtu, addresses }) => html`<div>${name} ${addresses.join(', ')} <span class="aside">${mac}, MTU ${mtu}</span></div>`)}</td></tr>`;
  })}</tbody></table>`;
}

export function changes(run: Run, earlier: Run | undefined): Html {
  if (run.started.simulated) return html`<p>A rehearsal begins with bare machines every time.</p>`;
  if (earlier === undefined) return html`<p>There is no earlier run of this cluster to compare with.</p>`;
  const { differences, again, values } = compared(run, earlier);
  const isKnown = run.after.length > 0 && earlier.after.length > 0;
  return html`<p>Against run ${earlier.started.run} (<code>${oneLine(earlier.started.command)}</code>) of ${moment(earlier.started.at)}: ${endingOf(earlier).says}</p>
${differences.length > 0 ? differenceTable(differences, run) : html`<p>${isKnown ? 'Machines and their software are as they were' : 'One of the journals does not say what its machines were'}; no proof has turned.</p>`}
${again.length > 0 ? html`<details><summary>${count(again.length, 'step')} that it had done, wanted once more</summary>${differenceTable(again, run)}</details>` : ''}
${values.length > 0 ? html`<details><summary>${count(values.length, 'proof')} with another value</summary>${differenceTable(values, run)}</details>` : ''}`;
}

function differenceTable(differences: readonly Difference[], run: Run): Html {
  const groups = grouped(differences, ({ host: _, ...rest }) => JSON.stringify(rest));
  const isTimed = differences.some(({ when }) => when !== undefined);
  return html`<table><thead><tr><th scope="col">machine</th><th scope="col">what</th><th scope="col">before</th><th scope="col">now</th>${isTimed ? html`<th scope="col">changed</th>` : ''}</tr></thead>
<tbody>${groups.map(group => {
    const { what, before, now, when } = group[0];
    const hosts = group.map(({ host }) => host);
    return html`<tr data-m="${hosts.join(' ')}"><td>${names(hosts, run)}</td><td>${what}</td><td>${before}</td><td>${now}</td>${isTimed ? html`<td>${when}</td>` : ''}</tr>`;
  })}</tbody></table>`;
}

export function remarks(run: Run): Html {
  const { refusals, notes } = run;
  if (refusals.length + notes.length === 0) return html`<p>None.</p>`;
  return html`${refusals.length > 0 ? html`<h3>Refused</h3><ul>${refusals.map(({ host, reason, hint, id }) => html`<li data-m="${host}"><b class="bad">✖</b> <b>${host}</b>: ${reason} <code>${id}</code><pre>${hint}</pre></li>`)}</ul>` : ''}
${
  notes.length > 0
    ? html`<h3>Notes</h3><ul>${grouped(notes, ({ text, host }) => JSON.stringify([text, host === undefined])).map(
        group => {
          const hosts = group.flatMap(({ host }) => host ?? []);
          return html`<li data-m="${hosts.join(' ')}">${hosts.length > 0 ? html`<b>${names(hosts, run)}</b>: ` : ''}${group[0].text}</li>`;
        },
      )}</ul>`
    : ''
}`;
}
