// The token that machines join with: made for this run, for 15 minutes, and deleted when the phase ends, however it ends.
import { adminKubectl } from '../model/kubectl.ts';
import type { Transition } from '../model/plan.ts';
import { deleteOurTokens, tokenDescription } from '../resources/our-tokens.ts';
import { tokenSecret } from './kubeadm.ts';
import { tokenTtl } from './kubeadm-config.ts';

const kubectl = adminKubectl(20);

/** As a Secret on stdin: `kubeadm token create TOKEN` would put it into argv, for every user of the machine to read. */
export function mintJoinToken(): Transition {
  return {
    kind: 'transition',
    name: 'join-token',
    title: `Make a join token for ${tokenTtl.replace('m0s', ' minutes')}`,
    stage: 'before',
    now: 'absent',
    to: 'minted',
    change: {
      why: 'machines are about to join',
      risk: 'safe',
      action: {
        script: `id=\${JOIN_TOKEN%%.*}
${kubectl} apply -f - >/dev/null <<SECRET
apiVersion: v1
kind: Secret
metadata: {name: bootstrap-token-$id, namespace: kube-system}
type: bootstrap.kubernetes.io/token
stringData:
  token-id: "$id"
  token-secret: "\${JOIN_TOKEN#*.}"
  description: ${tokenDescription}
  expiration: "$(date -u -d '+15 minutes' +%Y-%m-%dT%H:%M:%SZ)"
  usage-bootstrap-authentication: "true"
  usage-bootstrap-signing: "true"
  auth-extra-groups: system:bootstrappers:kubeadm:default-node-token
SECRET
`,
        secrets: tokenSecret,
        timeoutMs: 60_000,
      },
    },
    predict: world => world,
  };
}

export function deleteJoinToken(): Transition {
  return {
    kind: 'transition',
    name: 'join-token-gone',
    title: 'Delete our join tokens',
    stage: 'after',
    settles: ['bootstrap-tokens'],
    now: 'minted',
    to: 'absent',
    change: {
      why: 'nobody joins any more',
      risk: 'safe',
      action: {
        script: deleteOurTokens,
        timeoutMs: 60_000,
      },
    },
    predict: world => world,
  };
}
