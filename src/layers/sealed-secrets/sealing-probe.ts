// Proof of Sealed Secrets: a random value sealed here comes out as it went in, and under another namespace not at all.
import { createHash, randomBytes } from 'node:crypto';
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { ask, withNamespaces } from '../../model/probe-namespace.ts';
import { createScript } from '../../model/probe-pods.ts';
import { evidenceOf } from '../../model/probes.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';
import { seal } from './seal.ts';

export const certificatePath =
  '/api/v1/namespaces/kube-system/services/http:sealed-secrets-controller:http/proxy/v1/cert.pem';
const namespace = 'homelab-probe-sealed';
const otherNamespace = 'homelab-probe-sealed-other';
const name = 'probe';
const kubectl = adminKubectl(20);

export function sealingProbe(world: World): Probe {
  const host = controlPlaneOf(world).name;
  const base = {
    host,
    reproduce:
      'kubectl create secret generic probe --from-literal=value=x --dry-run=client -o yaml | kubeseal | kubectl apply -f -',
    hint: 'see why: kubectl logs -n kube-system deployment/sealed-secrets-controller',
  };
  const opened = { ...base, id: 'unsealed', title: 'a sealed value comes out as it went in', expected: 'the same sum' };
  const refused = {
    ...base,
    id: 'sealed-elsewhere',
    title: 'what is sealed for one namespace is refused in another',
    expected: 'Synced False, no Secret',
  };
  return {
    ...opened,
    kind: 'active',
    id: 'sealing',
    timeoutMs: 300_000,
    pieces: [opened, refused],
    run: context =>
      withNamespaces(context, host, [namespace, otherNamespace], async () => {
        const certificate = await ask(context, host, certificateScript, 40_000, 'the controller gives no certificate');
        const value = randomBytes(32);
        const sealed = seal(certificate, namespace, name, value);
        const said = await ask(context, host, outcomeScript(sealed), 180_000, 'nothing can be sealed');
        const of = (word: string) => new RegExp(`^${word} (.+)$`, 'm').exec(said)?.[1] ?? 'unknown';
        const isSame = of('sum') === createHash('sha256').update(value).digest('hex');
        const elsewhere = `Synced ${of('elsewhere')}, ${of('secret')}`;
        return [
          evidenceOf(opened, isSame, isSame ? opened.expected : of('sum')),
          evidenceOf(refused, elsewhere === refused.expected, elsewhere),
        ];
      }),
  };
}

const certificateScript = `${kubectl} get --raw ${certificatePath}\n`;

/** Prints 'sum SUM' or 'sum WHY', 'elsewhere STATUS' and 'secret WHETHER'; the value itself stays where it is. */
function outcomeScript(sealed: string): string {
  const items = [namespace, otherNamespace].map(each => ({
    apiVersion: 'bitnami.com/v1alpha1',
    kind: 'SealedSecret',
    metadata: { name, namespace: each },
    spec: { encryptedData: { value: sealed }, template: { metadata: { name, namespace: each } } },
  }));
  return `${createScript(items)}left=60
until ${kubectl} get secret -n ${namespace} ${name} >/dev/null 2>&1 && sum=$(${kubectl} get secret -n ${namespace} ${name} -o jsonpath='{.data.value}' | base64 -d | sha256sum | cut -c -64); do
  left=$((left - 1)); [ "$left" -gt 0 ] || { sum="no Secret: $(${synced(namespace, 'message')})"; break; }; sleep 1
done
echo "sum $sum"
left=30
until elsewhere=$(${synced(otherNamespace, 'status')}) && [ -n "$elsewhere" ] || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 1; done
echo "elsewhere $elsewhere"
if ${kubectl} get secret -n ${otherNamespace} ${name} >/dev/null 2>&1; then echo 'secret a Secret'; else echo 'secret no Secret'; fi
`;
}

function synced(of: string, field: string): string {
  return `${kubectl} get sealedsecret -n ${of} ${name} -o jsonpath='{.status.conditions[?(@.type=="Synced")].${field}}'`;
}
