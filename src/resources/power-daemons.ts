// Services that save power by themselves, told not to.
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

/** powertop.service sets every knob to saving, once at each boot. */
export function notAtBoot(unit: string): Resource {
  return defineResource<boolean>({
    key: `not-at-boot:${unit}`,
    name: `no-${unit.replace(/\..*$/, '')}`,
    title: `Keep ${unit} from starting at boot`,
    read: `state=$(${command('systemctl', 'is-enabled', unit)} 2>/dev/null || true)\ncase $state in enabled*) echo yes ;; *) echo no ;; esac\n`,
    parse: output => output.trim() === 'yes',
    blank: false,
    desired: false,
    differences: isEnabled => (isEnabled ? [`${unit} switches every device to saving at boot`] : []),
    act: () => ({ action: { script: `${command('systemctl', 'disable', '--quiet', unit)}\n`, timeoutMs: 60_000 } }),
  });
}

const saving = /^(balanced|balanced-battery|powersave|desktop-powersave|laptop-.*|server-powersave|spindown-disk)$/;
const profile = 'throughput-performance';

/** tuned's profile, where the one in use saves power; another one is its owner's choice. */
export function tunedProfile(): Resource {
  return defineResource<string>({
    key: 'tuned-profile',
    name: 'tuned-profile',
    title: `Choose tuned's profile ${profile}`,
    read: `tuned-adm active 2>/dev/null | sed -n 's/^Current active profile: //p'\n`,
    parse: output => output.trim() || 'none',
    blank: 'none',
    desired: profile,
    differences: active => (active.split(' ').some(each => saving.test(each)) ? [`tuned's profile is ${active}`] : []),
    // It also changes how the processor is driven.
    act: active => ({
      diff: `- ${active}\n+ ${profile}`,
      risk: 'disruptive',
      action: { script: `tuned-adm profile ${sh(profile)}\n`, timeoutMs: 60_000 },
    }),
  });
}
