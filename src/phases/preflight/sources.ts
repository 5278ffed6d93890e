// Where packages and images come from: the bundle, or places that this machine reaches.
import type { Bundle } from '../../model/bundle.ts';
import type { Host, Repository } from '../../model/cluster.ts';
import type { Probe } from '../../model/plan.ts';
import { seen } from '../../model/probes.ts';
import { command, sh } from '../../model/shell.ts';
import { pauseImage } from '../../model/versions.ts';
import { factsOf, type World } from '../../model/world.ts';
import { placed } from '../../resources/repository.ts';
import { debsOf, prerequisites } from '../host-base.ts';
import { type Checks, check } from './check.ts';

export const sources: Checks = (world, host) => [
  systemSources(world, host),
  ...repositories(world, host),
  images(world, host),
];

export const registry = 'registry.k8s.io';

/**
 * sh: `reach URL`: by apt's own methods, so that its proxy counts too. Only reachability: certificates come with ca-certificates, and what
 * is fetched later is signed.
 */
export const reachFunction = `reach() {
  case $1 in
    file:*) [ -e "\${1#file:}" ] || [ -e "\${1#file://}" ] ;;
    *) timeout 15 /usr/lib/apt/apt-helper -o Acquire::Retries=0 -o Acquire::http::Timeout=8 -o Acquire::https::Timeout=8 \\
      -o Acquire::https::Verify-Peer=false download-file "$1" "$dir/$2" >/dev/null 2>&1 ;;
  esac
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
`;

// The tools that kubeadm and kube-proxy call come from the machine's own sources, unless they are there already.
function systemSources(world: World, host: Host): Probe {
  const debs = debsOf(world.bundle?.entries ?? [], factsOf(world, host)).map(deb => deb.name);
  const wanted = prerequisites.filter(name => !debs.includes(name));
  return check({
    id: 'apt-sources',
    host,
    title: 'can install what Kubernetes needs of its system',
    expected: `${prerequisites.join(', ')} installed, in the bundle or to be had`,
    script: `${reachFunction}missing=
for name in ${wanted.join(' ')}; do
  [ "$(dpkg-query -W -f '\${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing="$missing $name"
done
echo "missing$missing"
[ -n "$missing" ] || exit 0
if grep -qs '^deb cdrom:' /etc/apt/sources.list; then echo 'no cdrom:'; fi
apt-get -o Debug::NoLocking=1 --print-uris update 2>/dev/null | sed -n "s|^'\\([^']*\\)/InRelease' .*|\\1|p" | while read -r uri; do
  if reach "$uri/InRelease" here </dev/null; then echo "yes $uri"; else echo "no $uri"; fi
done
`,
    reproduce: 'sudo apt-get update',
    timeoutMs: 120_000,
    judge(output) {
      const [first = '', ...lines] = output.split('\n');
      const missing = first.split(' ').slice(1);
      const places = (answer: string) =>
        lines.filter(line => line.startsWith(`${answer} `)).map(line => line.slice(answer.length + 1));
      const discs = places('no').filter(uri => uri.startsWith('cdrom:'));
      if (missing.length === 0) return { ok: true, observed: 'all there' };
      if (places('yes').length > 0 && discs.length === 0) {
        const silent = places('no').length > 0 ? `; ${places('no').join(', ')} does not answer` : '';
        return { ok: true, observed: `${missing.join(', ')} from ${[...new Set(places('yes'))].join(', ')}${silent}` };
      }
      return {
        ok: false,
        observed: `${missing.join(', ')} missing, ${lines.length === 0 ? 'no sources' : `no answer from ${places('no').join(', ')}`}`,
        hint:
          discs.length > 0
            ? `take the installer's disc out of its sources: sudo sed -i '/^deb cdrom:/s/^/# /' /etc/apt/sources.list`
            : 'see what is wrong with its sources (sudo apt-get update), or install these yourself, or give them with --bundle DIR',
      };
    },
  });
}

function repositories(world: World, host: Host): readonly Probe[] {
  const { kubernetes, containerd } = world.cluster;
  const facts = factsOf(world, host);
  const debs = debsOf(world.bundle?.entries ?? [], facts).map(deb => deb.name);
  const version = kubernetes.version.replace(/^v/, '');
  const tools = ['kubeadm', 'kubelet', 'kubectl'];
  const place = (
    id: string,
    what: string,
    isThere: boolean,
    packages: readonly string[],
    from: Repository | undefined,
  ): Probe => {
    const base = {
      id,
      title: `can install ${what}`,
      expected: 'installed, in the bundle, or a repository that answers',
      reproduce: 'sudo apt-get update',
    };
    const missing = packages.filter(name => !debs.includes(name));
    const known = isThere
      ? 'installed'
      : missing.length === 0
        ? 'in the bundle'
        : from
          ? undefined
          : "from the machine's own sources";
    if (known !== undefined || !from) return seen({ ...base, host: host.name, observed: known ?? '', ok: true });
    const url = placed(from.url, facts).replace(/\/$/, '');
    const suite = placed(from.suite, facts);
    const folder = suite === '/' ? '' : suite.endsWith('/') ? suite : `dists/${suite}/`;
    const index = `${url}/${folder}`;
    return check({
      ...base,
      host,
      script: `${reachFunction}if reach ${sh(`${index}InRelease`)} here || reach ${sh(`${index}Release`)} here; then echo yes; else echo no; fi\n`,
      timeoutMs: 45_000,
      judge: output => ({
        ok: output === 'yes',
        observed: output === 'yes' ? `${url} answers` : `no answer from ${index}`,
        hint: `${missing.join(', ')}: ${missing.length > 1 ? 'give them' : 'give it'} with --bundle DIR, or let it reach ${url} (see why not: ${command('curl', '-IL', `${index}InRelease`)})`,
      }),
    });
  };
  return [
    place(
      'containerd-repository',
      `containerd ${containerd.version}`,
      facts.containerd === containerd.version,
      [containerd.package],
      containerd.repository,
    ),
    place(
      'kubernetes-repository',
      `Kubernetes ${kubernetes.version}`,
      facts.kubeadm === version && facts.kubelet === version,
      tools,
      kubernetes.repository,
    ),
  ];
}

function images(world: World, host: Host): Probe {
  const missing = missingImages(world, host);
  const base = {
    id: 'images',
    title: "can have kubeadm's images",
    expected: `in the bundle, on the machine, or ${registry} answers`,
    reproduce: `curl -I https://${registry}/v2/`,
  };
  if (missing.length === 0) return seen({ ...base, host: host.name, observed: 'all in the bundle', ok: true });
  return check({
    ...base,
    host,
    script: `if [ -S /run/containerd/containerd.sock ] && command -v ctr >/dev/null; then timeout 5 ctr -n k8s.io images list -q 2>/dev/null || true; fi
if timeout 8 bash -c 'exec 3<>"/dev/tcp/$1/443"' - ${registry} 2>/dev/null; then echo reached; fi
`,
    judge(output) {
      const lines = output.split('\n');
      const lacking = missing.filter(image => !lines.some(line => isImage(line, image)));
      if (lacking.length === 0) return { ok: true, observed: 'all there' };
      if (lines.includes('reached')) return { ok: true, observed: `${registry} answers` };
      return {
        ok: false,
        observed: `${registry} does not answer${world.bundle ? `, and the bundle lacks ${lacking.join(', ')}` : ''}`,
        hint: `give the images with --bundle DIR, or let it reach https://${registry}`,
      };
    },
  });
}

/** By name, with the tag where it does not depend on what only an installed kubeadm knows. */
function missingImages({ cluster, bundle }: World, host: Host): readonly string[] {
  const { version, kubeProxy } = cluster.kubernetes;
  const at = (name: string) => `${registry}/${name}:${version}`;
  const wanted = [
    ...(host.role === 'control-plane'
      ? [at('kube-apiserver'), at('kube-controller-manager'), at('kube-scheduler'), `${registry}/etcd`]
      : []),
    ...(kubeProxy ? [at('kube-proxy')] : []),
    `${registry}/coredns/coredns`,
    pauseImage(version),
  ];
  return wanted.filter(image => !bundled(bundle, image));
}

export function bundled(bundle: Bundle | undefined, image: string): boolean {
  return (bundle?.entries ?? []).some(entry => entry.kind === 'image' && isImage(entry.name, image));
}

function isImage(name: string, wanted: string): boolean {
  return name === wanted || name.startsWith(`${wanted}:`);
}
