// Proof of policies and of Hubble: the same connection allowed, then denied by a policy that lets only DNS out, and both seen.
import { dnsAnswer } from '../../model/dns.ts';
import type { Probe, ProbeContext } from '../../model/plan.ts';
import { ask, withNamespaces } from '../../model/probe-namespace.ts';
import { fieldOf, livePods } from '../../model/probe-pods.ts';
import { listenScript, probePort, stopListening } from '../../model/probe-traffic.ts';
import { evidenceOf } from '../../model/probes.ts';
import { pauseImage } from '../../model/versions.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';
import {
  allowedScript,
  deniedScript,
  flowsScript,
  namespace,
  podsScript,
  policyScript,
  record,
} from './flow-scripts.ts';
import { flowsIn } from './flows.ts';

export function flowProbe(world: World, client: string, server: string, hasHubble: boolean): Probe {
  const host = controlPlaneOf(world).name;
  const { base, allowed, denied, named } = piecesOf(client, hasHubble);
  return {
    ...base,
    ...(world.about === undefined ? {} : { about: world.about.hosts[0]?.name ?? host }),
    kind: 'active',
    id: 'flows',
    title: 'policies hold, and Hubble sees what they do',
    expected: 'an allowed and a denied flow',
    timeoutMs: 600_000,
    pieces: hasHubble ? [allowed, denied, named] : [allowed, denied],
    run: context =>
      withNamespaces(context, host, [namespace], async () => {
        const image = pauseImage(world.cluster.kubernetes.version);
        const said = await ask(
          context,
          host,
          podsScript(image, client, server),
          150_000,
          'the probe pods did not come up',
        );
        const addressOf = (name: string) => livePods(said).find(pod => pod.name === name)?.address ?? '';
        const [from, to] = [addressOf('client'), addressOf('server')];
        const seen = async (verdict: 'FORWARDED' | 'DROPPED') =>
          hasHubble ? flowTo(context, host, to, flowsScript(client, verdict, fieldOf(said, 'began'))) : 'unseen';
        try {
          await ask(context, server, listenScript(to), 30_000, 'nothing listens in the probe pod');
          const made = await ask(context, client, allowedScript(from, to), 150_000, 'nothing was sent');
          const forwarded = await seen('FORWARDED');
          await ask(context, host, policyScript(), 60_000, 'the policy was not taken');
          const stopped = await ask(
            context,
            client,
            deniedScript(from, to, fieldOf(said, 'dns')),
            240_000,
            'nothing was sent',
          );
          const dropped = await seen('DROPPED');
          const resolved = dnsAnswer(fieldOf(stopped, 'dns'));
          const isStopped = fieldOf(stopped, 'connection') === 'none';
          const connection = fieldOf(made, 'connection');
          const first = hasHubble ? `${connection}, ${forwarded}` : connection;
          return [
            evidenceOf(allowed, first === allowed.expected, first),
            evidenceOf(
              denied,
              isStopped && resolved === fieldOf(said, 'api'),
              isStopped ? `${record}: ${resolved}, no connection` : 'the policy has no effect: it still connects',
            ),
            ...(hasHubble ? [evidenceOf(named, dropped === named.expected, dropped)] : []),
          ];
        } finally {
          await context.exec(server, stopListening, 30_000);
        }
      }),
  };
}

function piecesOf(client: string, hasHubble: boolean) {
  const base = {
    host: client,
    reproduce: `kubectl exec -n kube-system POD -c cilium-agent -- hubble observe --from-pod ${namespace}/client (POD: the agent on ${client}; homelab verify repeats all of it)`,
    hint: 'see why: homelab doctor',
  };
  const allowed = {
    ...base,
    id: 'allowed-flow',
    title: `a connection that no policy forbids comes about${hasHubble ? ', and Hubble sees it' : ''}`,
    expected: hasHubble ? 'made, FORWARDED' : 'made',
  };
  const denied = {
    ...base,
    id: 'policy',
    title: 'a policy that lets only DNS out lets nothing else out',
    expected: 'the name resolves, no connection',
  };
  const named = {
    ...base,
    id: 'denied-flow',
    title: 'Hubble names the connection that the policy dropped',
    expected: 'DROPPED: POLICY_DENIED',
  };
  return { base, allowed, denied, named };
}

/** The last flow to the server in words. */
async function flowTo(context: ProbeContext, host: string, server: string, script: string): Promise<string> {
  const said = await ask(context, host, script, 120_000, 'Hubble does not answer');
  const flow = flowsIn(said).findLast(each => each.to === server && each.port === probePort);
  if (!flow) return 'Hubble saw no such flow';
  return flow.reason === '' ? flow.verdict : `${flow.verdict}: ${flow.reason}`;
}
