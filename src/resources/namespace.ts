// A namespace with its Pod Security label: made before anything is put into it, because Helm would make it without.

import { adminKubectl } from '../model/kubectl.ts';
import type { PodSecurity } from '../model/layers.ts';
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

const kubectl = adminKubectl(20);
const label = 'pod-security.kubernetes.io/enforce';

/** 'absent', 'Terminating', or the level that is enforced, '' for none; 'unknown' where the API server does not say. */
type State = string;

/** Read and made on a control plane. */
export function namespace(name: string, level: PodSecurity): Resource {
  return defineResource<State>({
    key: `namespace:${name}`,
    name: `namespace-${name}`,
    title: `Make the namespace ${name}, ${level}`,
    read: `if [ ! -e /etc/kubernetes/admin.conf ]; then echo absent; exit 0; fi
if found=$(${kubectl} get namespace ${sh(name)} --ignore-not-found -o jsonpath='{.status.phase} {.metadata.labels.pod-security\\.kubernetes\\.io/enforce}' 2>/dev/null); then
  case $found in
    '') echo absent ;;
    Terminating*) echo Terminating ;;
    *) echo "\${found#* }" ;;
  esac
else echo unknown; fi
`,
    parse: output => output.trim(),
    blank: 'absent',
    desired: level,
    differences: observed => (observed === 'Terminating' ? [] : differences(observed, level)),
    remarks: observed =>
      observed === 'Terminating'
        ? [
            {
              kind: 'refusal',
              id: 'namespace-terminating',
              reason: `the namespace ${name} is being deleted, and does not come to its end while something in it has a finalizer`,
              hint: `see what is left: kubectl api-resources --verbs=list --namespaced -o name | xargs -n 1 kubectl get -n ${name} --ignore-not-found --show-kind`,
            },
          ]
        : [],
    act: observed => ({
      diff: `${before(observed, name)}+ ${label}: ${level}`,
      action: {
        script: `${kubectl} get namespace ${sh(name)} >/dev/null 2>&1 || ${kubectl} ${command('create', 'namespace', name)} >/dev/null
${kubectl} ${command('label', '--overwrite', 'namespace', name, `${label}=${level}`)} >/dev/null
`,
        timeoutMs: 60_000,
      },
    }),
  });
}

function differences(observed: State, level: PodSecurity): readonly string[] {
  if (observed === level) return [];
  if (observed === 'absent') return ['there is none'];
  if (observed === 'unknown') return ['whether it is there the API server does not say'];
  return [`it enforces ${observed || 'nothing'}, not ${level}`];
}

function before(observed: State, name: string): string {
  if (observed === 'unknown') return '';
  return observed === 'absent' ? `+ namespace ${name}\n` : `- ${label}: ${observed}\n`;
}
