// A timer of ours that nothing asks for any more: stopped, and its files gone.
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

export interface NoTimerOptions {
  readonly unit: string;
  /** The first is the timer's own: as long as it is there, the rest may be. */
  readonly files: readonly [string, ...string[]];
}

export function noTimer({ unit, files }: NoTimerOptions): Resource {
  const [own, ...others] = files;
  return defineResource<boolean>({
    key: `no-timer:${unit}`,
    name: `no-${unit.replace(/^homelab-|\.timer$/g, '')}`,
    title: `Remove ${unit}`,
    read: `if [ -e ${sh(own)} ]; then echo there; else echo absent; fi\n`,
    parse: output => output.trim() === 'there',
    blank: false,
    desired: false,
    differences: observed => (observed ? [`${unit} is there, and nothing in the inventory asks for it`] : []),
    act: () => ({
      action: {
        script: `${command('systemctl', 'disable', '--quiet', '--now', unit)}
${others.length > 0 ? `${command('rm', '-f', '--', ...others)}\n` : ''}${command('rm', '-f', '--', own)}
systemctl daemon-reload
`,
        timeoutMs: 60_000,
      },
    }),
  });
}
