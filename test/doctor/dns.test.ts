// Names: resolvers of machines, CoreDNS and its Corefile. Machine facts are constructed.
import { beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import type { MachineFacts } from '../../src/doctor/machine-facts.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { recorded } from './recorded.ts';
import { eachObject, found, ids, itemsOf, withFacts, withObjects } from './rig.ts';
import { past, well } from './well.ts';

const corefile =
  '.:53 {\n    errors\n    ready\n    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n    cache 30\n    loop\n    reload\n}\n';
const kubelet = { clusterDNS: ['10.96.0.10'], resolvConf: '' } as unknown as NonNullable<MachineFacts['kubelet']>;
let base: Snapshot;
let broken: Snapshot;
beforeAll(async () => {
  base = await well();
  broken = await recorded('healthy-no-dns-image');
});

function withCorefile(snapshot: Snapshot, text: string, changed = 60_000): Snapshot {
  return withObjects(snapshot, 'configmaps', [
    {
      metadata: {
        namespace: 'kube-system',
        name: 'coredns',
        managedFields: [{ manager: 'kubectl-edit', time: past(snapshot, changed) }],
      },
      data: { Corefile: text },
    },
  ]);
}

function resolvers(nameservers: readonly string[], dead: readonly string[]): MachineFacts {
  return {
    kubelet,
    resolvers: [{ path: '/etc/resolv.conf', nameservers: [...nameservers] }],
    resolverAnswers: Object.fromEntries(
      nameservers.map(each => [each, { ok: !dead.includes(each), says: dead.includes(each) ? 'timeout' : 'NOERROR' }]),
    ),
  };
}

describe('resolver-silent', () => {
  it('names the resolver and the machine, and whether another one answers', () => {
    const [one] = found('resolver-silent', withFacts(base, 'n2', resolvers(['10.0.0.53'], ['10.0.0.53'])));
    expect(one).toMatchObject({ severity: 'warning', about: ['resolver:10.0.0.53', 'machine:n2'] });
    expect(one?.says).toContain('no name outside the cluster');
    const [half] = found(
      'resolver-silent',
      withFacts(base, 'n2', resolvers(['10.0.0.53', '10.0.0.54'], ['10.0.0.53'])),
    );
    expect(half?.says).toContain('may wait for it first');
  });

  it('accuses none that answers, nor one that was not asked', () => {
    expect(found('resolver-silent', withFacts(base, 'n2', resolvers(['10.0.0.53'], [])))).toEqual([]);
    expect(
      found(
        'resolver-silent',
        withFacts(base, 'n2', {
          resolvers: [{ path: '/etc/resolv.conf', nameservers: ['10.0.0.53'] }],
          resolverAnswers: {},
        }),
      ),
    ).toEqual([]);
  });
});

describe('coredns-loop', () => {
  const pod = 'kube-system/coredns-787d4945fb-hrdvl';
  const log = (line: string) => ({ ...broken, logs: [{ pod, container: 'coredns', lines: [line] }] });
  const line =
    '[FATAL] plugin/loop: Loop (127.0.0.1:41797 -> :53) detected for zone ".", see https://coredns.io/plugins/loop';

  it('is certain by the log of CoreDNS, and has everything of CoreDNS under it', () => {
    const diagnosis = diagnose(log(line), rules).broken;
    expect(diagnosis[0]).toMatchObject({ rule: 'coredns-loop', certainty: 'certain' });
    expect(diagnosis[0]?.consequences.map(({ rule }) => rule)).toContain('dns-down');
  });

  it('is likely by Corefile and resolver of its machine, and not without either', () => {
    const stub = withFacts(withCorefile(broken, corefile), 'n1', resolvers(['127.0.0.53'], []));
    expect(found('coredns-loop', stub)).toMatchObject([{ certainty: 'likely' }]);
    expect(
      found('coredns-loop', withFacts(withCorefile(broken, corefile), 'n1', resolvers(['10.0.0.53'], []))),
    ).toEqual([]);
    expect(found('coredns-loop', withCorefile(stub, corefile.replace('loop\n', '')))).toEqual([]);
    expect(found('coredns-loop', withCorefile(stub, corefile.replace('/etc/resolv.conf', '9.9.9.9')))).toEqual([]);
  });

  it('reads the file that the kubelet hands out', () => {
    const facts = {
      ...resolvers(['127.0.0.53'], []),
      kubelet: { ...kubelet, resolvConf: '/run/systemd/resolve/resolv.conf' },
    };
    const files = [
      ...(facts.resolvers ?? []),
      { path: '/run/systemd/resolve/resolv.conf', nameservers: ['10.0.0.53'] },
    ];
    expect(
      found('coredns-loop', withFacts(withCorefile(broken, corefile), 'n1', { ...facts, resolvers: files })),
    ).toEqual([]);
  });

  it('is not read from the log of another pod, nor from a CoreDNS that was never started again', () => {
    expect(
      found('coredns-loop', { ...log(line), logs: [{ pod: 'demo/other', container: 'c', lines: [line] }] }),
    ).toEqual([]);
    const stub = withFacts(withCorefile(broken, corefile), 'n1', resolvers(['127.0.0.53'], []));
    const fresh = eachObject(stub, 'pods', each => ({
      ...each,
      status: {
        ...each.status,
        containerStatuses: each.status.containerStatuses.map(status => ({ ...status, restartCount: 0 })),
      },
    }));
    expect(found('coredns-loop', fresh)).toEqual([]);
  });

  it('shows the line where there is one, and the stub where there is one', () => {
    const shown = (snapshot: Snapshot) => found('coredns-loop', snapshot)[0]?.evidence.map(({ says }) => says);
    expect(shown(log(line))).toEqual([line]);
    expect(shown(withFacts(log(line), 'n1', resolvers(['10.0.0.53'], [])))).toEqual([line]);
    const stub = 'the kubelet hands out /etc/resolv.conf, which names 127.0.0.53';
    expect(shown(withFacts(log(line), 'n1', resolvers(['127.0.0.53'], [])))).toEqual([line, stub]);
    expect(shown(withFacts(withCorefile(broken, corefile), 'n1', resolvers(['127.0.0.53'], [])))).toEqual([stub]);
    expect(found('coredns-loop', log(line))[0]?.about).toContain('machine:n1');
  });

  it('is past when CoreDNS is ready', () => {
    expect(found('coredns-loop', { ...log(line), lists: base.lists })).toEqual([]);
    expect(found('coredns-loop', log('[INFO] plugin/reload: Running configuration'))).toEqual([]);
  });
});

describe('the Corefile', () => {
  it('that cannot be read is told with its line', () => {
    const lines = ["/etc/coredns/Corefile:5 - Error during parsing: Unknown directive 'forwrad'"];
    const snapshot = {
      ...broken,
      logs: [{ pod: 'kube-system/coredns-787d4945fb-hrdvl', container: 'coredns', lines }],
    };
    expect(diagnose(snapshot, rules).broken[0]?.says).toContain(
      "Corefile:5 - Error during parsing: Unknown directive 'forwrad'",
    );
    expect(found('corefile-broken', { ...snapshot, logs: [{ pod: 'demo/other', container: 'c', lines }] })).toEqual([]);
    expect(found('corefile-broken', { ...snapshot, lists: base.lists })).toEqual([]);
  });

  it('that changed after CoreDNS started is stale only without reload', () => {
    const without = corefile.replace('    reload\n', '');
    // The recorded CoreDNS started about a minute before the look.
    const later = { ...base, at: base.at + 3_600_000 };
    expect(found('corefile-stale', withCorefile(later, without, 600))).toMatchObject([{ severity: 'warning' }]);
    expect(found('corefile-stale', withCorefile(later, corefile, 600))).toEqual([]);
    expect(found('corefile-stale', withCorefile(later, without, 86_400))).toEqual([]);
    expect(found('corefile-stale', withCorefile(later, without, 30))).toEqual([]);
  });

  it('that nobody wrote, or that is not the one of CoreDNS, is not stale', () => {
    const without = corefile.replace('    reload\n', '');
    const later = { ...base, at: base.at + 3_600_000 };
    expect(found('corefile-stale', withCorefile(later, '', 600))).toEqual([]);
    const [map] = itemsOf(withCorefile(later, without, 600), 'configmaps');
    const named = (namespace: string, name: string) => ({ ...map, metadata: { ...map?.metadata, namespace, name } });
    const others = [named('demo', 'coredns'), named('kube-system', 'coredns-custom')];
    expect(found('corefile-stale', withObjects(later, 'configmaps', others))).toEqual([]);
    expect(found('corefile-stale', withObjects(later, 'configmaps', [...others, map]))).toHaveLength(1);
  });

  it('that names the port of a dead resolver, or two dead ones, is told; a CoreDNS that waits for a machine is no excuse', () => {
    const dead = withFacts(base, 'n1', resolvers(['10.0.0.53', '10.0.0.54'], ['10.0.0.53', '10.0.0.54']));
    const forwards = (targets: string) => withCorefile(dead, corefile.replace('/etc/resolv.conf', targets));
    const said = (snapshot: Snapshot) => found('coredns-forward-dead', snapshot)[0]?.says;
    expect(said(forwards('10.0.0.53:53'))).toContain('to 10.0.0.53, and that resolver does not answer');
    expect(said(forwards('dns://10.0.0.53'))).toContain('to 10.0.0.53, and that resolver does not answer');
    expect(said(forwards('10.0.0.53 10.0.0.54'))).toContain('and none of them answers');
    const waiting = eachObject(forwards('/etc/resolv.conf'), 'pods', each =>
      each.metadata.name === 'coredns-787d4945fb-hrdvl' ? { ...each, spec: { ...each.spec, nodeName: '' } } : each,
    );
    expect(said(waiting)).toContain('and none of them answers');
  });

  it('that sends names to nobody is told, and follows from the silent resolver', () => {
    const dead = withFacts(withCorefile(base, corefile), 'n1', resolvers(['10.0.0.53'], ['10.0.0.53']));
    expect(found('coredns-forward-dead', dead)).toMatchObject([{ severity: 'warning', certainty: 'certain' }]);
    const { worthDoing } = diagnose(dead, rules);
    expect(worthDoing.find(({ rule }) => rule === 'resolver-silent')?.consequences.map(({ rule }) => rule)).toEqual([
      'coredns-forward-dead',
    ]);
    expect(
      found(
        'coredns-forward-dead',
        withFacts(withCorefile(base, corefile), 'n1', resolvers(['10.0.0.53', '10.0.0.54'], ['10.0.0.53'])),
      ),
    ).toEqual([]);
    expect(found('coredns-forward-dead', withCorefile(dead, corefile.replace('/etc/resolv.conf', '9.9.9.9')))).toEqual(
      [],
    );
  });
});

describe('cluster-dns-wrong', () => {
  const hands = (clusterDNS: string[]) =>
    found('cluster-dns-wrong', withFacts(base, 'n2', { kubelet: { ...kubelet, clusterDNS } }));

  it('is an address that no Service has', () => {
    expect(hands(['10.43.0.10'])).toMatchObject([{ severity: 'error', about: ['machine:n2'] }]);
  });

  it('is measured by the Service of that name in kube-system', () => {
    const [dns] = itemsOf(base, 'services').filter(({ metadata }) => metadata.name === 'kube-dns');
    const other = (namespace: string, name: string) => ({
      ...dns,
      metadata: { ...dns?.metadata, namespace, name },
      spec: { ...dns?.spec, clusterIP: '10.96.7.7' },
    });
    const services = [other('demo', 'kube-dns'), other('kube-system', 'metrics-server'), dns];
    const facts = { kubelet: { ...kubelet, clusterDNS: ['10.43.0.10'] } };
    const [one] = found('cluster-dns-wrong', withFacts(withObjects(base, 'services', services), 'n2', facts));
    expect(one?.says).toContain("the cluster's DNS is 10.96.0.10");
  });

  it('is not the Service, nor a cache on the machine, nor what was not said', () => {
    expect(hands(['10.96.0.10'])).toEqual([]);
    expect(hands(['169.254.20.10'])).toEqual([]);
    expect(hands([])).toEqual([]);
  });
});

describe('dns-down', () => {
  it('is silent with one ready CoreDNS, with a Service made just now, and where endpoints were not read', () => {
    expect(ids(base)).toEqual([]);
    const young = eachObject(broken, 'services', each => ({
      ...each,
      metadata: { ...each.metadata, creationTimestamp: past(broken, 20) },
    }));
    expect(found('dns-down', young)).toEqual([]);
    expect(
      found('dns-down', { ...broken, lists: { ...broken.lists, endpoints: { state: 'unknown', why: 'forbidden' } } }),
    ).toEqual([]);
  });

  it('tells a CoreDNS that was scaled to nothing', () => {
    const none = eachObject(
      eachObject(broken, 'pods', each => (each.metadata.name.startsWith('coredns') ? undefined : each)),
      'deployments',
      each => ({ ...each, spec: { ...each.spec, replicas: 0 } }),
    );
    expect(found('dns-down', none)[0]?.says).toContain('scaled to 0');
    expect(found('dns-down', none)[0]?.cure[0]).toContain('scale deployment coredns');
  });
});
