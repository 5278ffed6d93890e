import { describe, expect, it } from 'vitest';
import { createRedactor } from '../../src/engine/redact.ts';
import { HomelabError, PhaseFailed } from '../../src/model/errors.ts';
import { formatError } from '../../src/render/error.ts';
import { joinStderr, journalPath } from './sample-run.ts';

const redact = (text: string): string => text;
const resume = 'homelab bootstrap -i inventory/homelab.yaml --yes';

function joinError(host: string, stderr = joinStderr): HomelabError {
  return new HomelabError('HL_STEP_FAILED', `Join worker ${host} failed`, {
    hint: `a kubelet is already running: homelab reset ${host}, then resume`,
    context: {
      host,
      step: `workers/${host}/join`,
      command: 'kubeadm join --config /dev/stdin',
      exitStatus: 1,
      afterMs: 41_200,
      stderr,
    },
  });
}

describe('an error', () => {
  it('says what failed, where, what the machine said, and what to type', async () => {
    await expect(formatError(joinError('k8s-worker2'), { redact, journalPath, resume })).toMatchFileSnapshot(
      '../golden/render/error-step.txt',
    );
  });

  it('lists all details', async () => {
    const error = new HomelabError('HL_INVENTORY', 'inventory/homelab.yaml has 2 problems', {
      hint: 'homelab validate -i inventory/homelab.yaml',
      context: {
        details: [
          'inventory/homelab.yaml:12:5 hosts[1].address: expected an IPv4 address, found "192.168.0"',
          'inventory/homelab.yaml:14:5 hosts[2].rol: unknown key; did you mean role?',
        ],
      },
    });
    await expect(formatError(error, { redact })).toMatchFileSnapshot('../golden/render/error-inventory.txt');
  });

  it('shows all failures of a phase, those in the same words once, and one way to resume', async () => {
    const lost = new HomelabError('HL_SSH_LOST', 'The connection to k8s-cp ended', {
      hint: 'see whether the machine is up: ping 192.168.0.10',
      context: { host: 'k8s-cp', step: 'workers/k8s-cp/token' },
    });
    const failed = new PhaseFailed('workers failed', [joinError('k8s-worker1'), lost, joinError('k8s-worker3')]);
    const text = formatError(failed, { redact, journalPath, resume });
    expect(text.match(/ resume /g)).toHaveLength(1);
    await expect(text).toMatchFileSnapshot('../golden/render/error-phase.txt');
  });

  it('is our bug, with a stack, when it is anything else', () => {
    const text = formatError(new TypeError('x is not a function'), { redact, journalPath });
    expect(text).toMatch(/^✖ x is not a function {2}\[HL_BUG\]\n/);
    expect(text).toContain('error.test.ts');
    expect(text).toContain(journalPath);
    expect(formatError('thrown text', { redact })).toMatch(/^✖ thrown text {2}\[HL_BUG\]/);
  });

  it('keeps machines apart that said different things', () => {
    const failed = new PhaseFailed('workers failed', [joinError('a'), joinError('b', 'another reason')]);
    expect(formatError(failed, { redact }).match(/Join worker/g)).toHaveLength(2);
  });

  it('redacts before it cuts: the tail of a secret no longer looks like one', () => {
    const redactor = createRedactor();
    const secret = Array.from({ length: 20 }, (_, index) => `line ${index} of the secret`).join('\n');
    redactor.add(secret);
    expect(formatError(joinError('a', `it said\n${secret}`), { redact: redactor.redact })).not.toContain(
      'of the secret',
    );
  });

  it('sends no control character of a machine to the terminal', () => {
    const hostile = 'x\u001b[2J\u009b2J\u202e\rover';
    const error = new HomelabError('HL_OBSERVE', hostile, {
      hint: hostile,
      context: { host: hostile, step: hostile, command: hostile, stderr: hostile, details: [hostile] },
    });
    expect(formatError(error, { redact })).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u);
  });
});
