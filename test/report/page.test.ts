import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { noAdapter } from '../../src/engine/adapters.ts';
import { createRedactor } from '../../src/engine/redact.ts';
import type { EventBody } from '../../src/model/events.ts';
import { parseJournal } from '../../src/report/journal.ts';
import { renderReport } from '../../src/report/page.ts';
import { type Run, runOf } from '../../src/report/run.ts';
import { cancelledRun, failedRun, okRun, timed } from '../render/sample-run.ts';
import { bigRun, journalOf } from './big-run.ts';

function read(journal: string): Run {
  const run = runOf(parseJournal(journal, createRedactor().redact));
  if (run === undefined) throw new Error('this begins as a journal does');
  return run;
}

const report = (journal: string): string => renderReport({ run: read(journal), earlier: undefined });

const [first] = okRun();

/** A run that says these things about itself and nothing else. */
function saying(...bodies: readonly EventBody[]): string {
  return journalOf([first ?? {}, ...timed(bodies)]);
}

describe('the report of a run', () => {
  it('says how it ended, what it did and what proves it', () => {
    const page = report(journalOf(okRun()));
    expect(page).toContain('Done and proven in 34s: 13 steps on 4 machines, 16 proofs.');
    expect(page).toContain('Write /etc/containerd/config.toml');
    expect(page).toContain('its content differs');
    expect(page).toContain('certificates until 2027-11-21');
    expect(page).toContain('Kubernetes v1.31 left upstream support');
    expect(page).not.toContain('Simulated');
  });

  it('can read every line that ours writes', () => {
    const handOver = { type: 'hand-over', access: [], next: [] } as const;
    expect(report(saying(handOver, { type: 'certificates', certificates: [] }))).not.toContain('could not be read');
    expect(report(`${saying(handOver)}{"type":"of a later version"}\n`)).toContain('1 line of the journal could not');
  });

  it('maps what stands on the machines, with the charts that it installed', () => {
    const release = {
      id: 'network/k8s-cp/release-cilium',
      phase: 'network',
      host: 'k8s-cp',
      title: 'Install cilium (chart cilium 1.16.1)',
      why: 'it is not installed',
      risk: 'safe',
      deadlineMs: 1,
    } as const;
    const proof = { id: 'pods', host: 'k8s-cp', title: 'pods', expected: '', reproduce: '', observed: '' };
    const page = report(
      saying(
        { type: 'phase-started', phase: 'network', title: 'Connect the pods', steps: [release] },
        { type: 'evidence', phase: 'network', evidence: { ...proof, ok: true }, simulated: false },
        { type: 'evidence', phase: 'network', evidence: { ...proof, ok: false }, simulated: false },
        { type: 'phase-finished', phase: 'network', outcome: 'failed', durationMs: 1 },
        { type: 'phase-started', phase: 'longhorn', title: 'Give volumes', steps: [] },
        { type: 'phase-finished', phase: 'longhorn', outcome: 'unchanged', durationMs: 1 },
      ),
    );
    const rows = page.slice(page.indexOf('on them</th>')).match(/<tr><th scope="row"><a .*?<\/tr>/g);
    expect(rows).toHaveLength(2);
    expect(rows?.[0]).toMatch(/network<.*>cilium 1\.16\.1<.*✖ failed.*1 of 2/);
    expect(rows?.[1]).toMatch(/longhorn<.*✔ unchanged.*0 of 0/);
    expect(report(journalOf([first ?? {}]))).not.toContain('on them</th>');
  });

  it('of a rehearsal says that nothing is proof, and marks no critical path', () => {
    const page = report(journalOf(okRun(true)));
    expect(page).toContain('Simulated: machines were predicted, none was touched; nothing in this report is proof.');
    expect(page).toContain('simulated proofs');
    expect(page).not.toContain('on the critical path');
  });

  it('that failed shows the last lines of the machine, what to mend and what to type', () => {
    const page = report(journalOf(failedRun()));
    expect(page).toContain('Failed after 1m 12s in workers: Join worker k8s-worker2 failed, and 1 failure more.');
    expect(page).toContain('Port 10250 is in use');
    expect(page).toContain('a kubelet is already running: homelab reset k8s-worker2, then resume');
    expect(page).toContain(
      '<code>homelab bootstrap -i inventory/homelab.yaml --yes</code> (what is done is not done again)',
    );
    expect(page).toContain('predicted joined, observed partial');
  });

  it('tells machines that failed in the same words once', () => {
    const page = report(journalOf(bigRun({ machines: 40, failing: ['k8s-worker7', 'k8s-worker9', 'k8s-worker30'] })));
    expect(page.match(/class="failure"/g)).toHaveLength(1);
    expect(page).toContain('k8s-worker7 (the same on k8s-worker9, k8s-worker30)');
  });

  it('that was interrupted says so', () => {
    expect(report(journalOf(cancelledRun()))).toContain('Interrupted after 31s.');
  });

  it('that was killed in the middle of a line is told up to there', () => {
    const whole = journalOf(okRun());
    const begun = whole.indexOf('\n', whole.lastIndexOf('"step-started"'));
    const page = report(whole.slice(0, begun + 60));
    expect(page).toContain('in workers, with 3 steps going on: the run was killed, or is still going.');
    expect(page).toContain('1 line of the journal could not be read');
    expect(page).toContain('no end known');
  });

  it('at whatever byte it was cut', () => {
    const whole = journalOf(failedRun());
    const beginning = whole.indexOf('\n') + 1;
    for (let end = beginning; end < whole.length; end += 997) expect(report(whole.slice(0, end))).toContain('</html>');
  });

  it('of an older version, which knows nothing of its machines, still names them', () => {
    const page = report(journalOf(okRun()));
    expect(page).toContain('k8s-cp, k8s-worker1, k8s-worker2, k8s-worker3');
    expect(page).toContain('knows no more of its machines than their names');
  });

  it('of a newer version leaves out what it does not know', () => {
    const page = report(`${journalOf(okRun())}{"time":"2026-11-22T00:00:00Z","type":"fanfare","loud":true}\n`);
    expect(page).toContain('1 line of the journal could not be read');
  });

  it('has the machines with their versions before and after', () => {
    const [started, seen, ...rest] = bigRun({ machines: 2 });
    const after = {
      ...seen,
      machines: (seen?.type === 'machines' ? seen.machines : []).map(each => ({ ...each, kubelet: '1.31.13' })),
    };
    const page = report(journalOf([started ?? {}, seen ?? {}, ...rest, after]));
    expect(page).toContain('absent → 1.31.13');
    expect(page).toContain('02:00:00:00:00:01');
  });

  it('of a hundred machines stays below 3 MB, with every step of every machine', () => {
    const page = report(journalOf(bigRun({ machines: 100, failing: ['k8s-worker7'] })));
    expect(page.length).toBeLessThan(3_000_000);
    expect(page.match(/class="step /g)).toHaveLength(800);
    expect(page).toContain('k8s-worker99');
    // What all machines say alike stands once.
    expect(page.match(/answers after containerd/g)).toHaveLength(1);
  });

  it('is not made from something else', () => {
    expect(runOf(parseJournal('{"name":"homelab"}\nnot even JSON\n', text => text))).toBeUndefined();
    expect(runOf(parseJournal('', text => text))).toBeUndefined();
  });
});

describe('what a machine says in the report', () => {
  const hostile = `</script><script>alert(1)</script><img src=x onerror=alert(2)>"'>\u001b[31m\u202e${'`'}\${1}`;

  it('is text, wherever it stands', () => {
    const evidence = {
      id: hostile,
      host: hostile,
      title: hostile,
      ok: false,
      expected: hostile,
      observed: hostile,
      reproduce: hostile,
      hint: hostile,
    };
    const step = {
      id: `p/${hostile}/x`,
      phase: 'p',
      host: hostile,
      title: hostile,
      why: hostile,
      diff: hostile,
      risk: 'safe' as const,
      deadlineMs: 1,
    };
    const { id, host, title } = step;
    const page = report(
      saying(
        {
          type: 'machines',
          machines: [
            {
              host,
              role: 'worker',
              address: hostile,
              os: hostile,
              kernel: hostile,
              arch: hostile,
              virtualization: hostile,
              bootId: hostile,
              kubelet: hostile,
              containerd: hostile,
              nics: [{ name: hostile, mac: hostile, mtu: 1, addresses: [hostile], ...noAdapter }],
            },
          ],
        },
        {
          type: 'plan',
          steps: [step],
          refusals: [{ id, host, reason: hostile, hint: hostile }],
          notes: [{ host, text: hostile }],
        },
        { type: 'phase-started', phase: 'p', title: hostile, steps: [step] },
        { type: 'step-started', id, host, title, deadlineMs: 1 },
        { type: 'step-finished', id, host, title, outcome: 'failed', durationMs: 1, why: hostile },
        { type: 'evidence', phase: 'p', evidence, simulated: false },
        { type: 'prediction', phase: 'p', compared: 1, differences: [hostile] },
        {
          type: 'error',
          error: {
            code: hostile,
            message: hostile,
            host,
            step: id,
            command: hostile,
            stderr: hostile,
            details: [hostile],
            hint: hostile,
          },
        },
      ),
    );
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toContain('<img');
    expect(page).not.toContain('\u001b');
    expect(page).not.toContain('\u202e');
    expect(page).toContain('&lt;/script&gt;&lt;script&gt;alert(1)');
    // Quotes too: no attribute ends early.
    expect(page).not.toMatch(/data-m="[^"]*<\/script>/);
  });

  it('is masked where it looks like a secret, though the journal has it', () => {
    const page = report(saying({ type: 'note', text: 'kubeadm join --token abcdef.0123456789abcdef' }));
    expect(page).toContain('abcdef.[redacted]');
    expect(page).not.toContain('0123456789abcdef');
  });
});

describe('the file', () => {
  const page = report(journalOf(failedRun()));

  it('asks the network for nothing', () => {
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/\b(?:src|srcset|action|data)=|@import|url\((?!#)|<link|<iframe|<base/i);
    for (const [, href = ''] of page.matchAll(/href="([^"]*)"/g)) expect(href).toMatch(/^#/);
  });

  it('runs its own script and no other, by their hashes', () => {
    for (const tag of ['script', 'style']) {
      const [, content = ''] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page) ?? [];
      const hash = createHash('sha256').update(content).digest('base64');
      expect(page).toContain(`${tag}-src 'sha256-${hash}'`);
    }
    expect(page).not.toMatch(/ on[a-z]+="| style="/);
  });

  it('names every part that its links lead to', () => {
    for (const [, id = ''] of page.matchAll(/href="#([^"]*)"/g)) expect(page).toContain(`id="${id}"`);
  });
});
