// Packages and images of every hop: in the bundle, on the machine, or in a place that this machine reaches.
import type { Probe } from '../../model/plan.ts';
import { seen } from '../../model/probes.ts';
import { releases } from '../../model/releases.ts';
import { command, sh } from '../../model/shell.ts';
import { pauseImage } from '../../model/versions.ts';
import { isFor } from '../../resources/packages.ts';
import { placed } from '../../resources/repository.ts';
import { minorText } from '../../upgrade/compat.ts';
import { repositoryOf } from '../../upgrade/running.ts';
import { debsOf } from '../host-base.ts';
import { check } from '../preflight/check.ts';
import { bundled, reachFunction, registry } from '../preflight/sources.ts';
import type { Subject } from './finding.ts';

const tools = ['kubeadm', 'kubelet', 'kubectl'];

export function software(subject: Subject): readonly Probe[] {
  return [...subject.hops.map(hop => packagesOf(subject, hop)), images(subject)];
}

function packagesOf({ world, host, facts }: Subject, hop: string): Probe {
  const version = hop.replace(/^v/, '');
  const debs = debsOf(world.bundle?.entries ?? [], facts);
  const missing = tools.filter(name => !debs.some(deb => isFor(deb, { name, version })));
  const base = {
    id: `packages-${hop}`,
    title: `can install Kubernetes ${hop}`,
    expected: `${tools.join(', ')} ${version} for ${facts.arch}, in the bundle or in a repository that answers`,
    reproduce: 'sudo apt-get update; apt-cache madison kubeadm',
  };
  if (missing.length === 0) return seen({ ...base, host: host.name, observed: 'in the bundle', ok: true });
  const from = repositoryOf(world.cluster.kubernetes.repository, version);
  const url = placed(from.url, facts).replace(/\/$/, '');
  const suite = placed(from.suite, facts);
  const folders = suite.endsWith('/')
    ? [`${url}/${suite === '/' ? '' : suite}`]
    : from.components.map(component => `${url}/dists/${suite}/${component}/binary-${facts.arch}/`);
  return check({
    ...base,
    host,
    script: `${reachFunction}for folder in ${command(...folders)}; do
  for name in Packages Packages.gz; do
    if reach "$folder$name" "$name" && { [ -e "$dir/$name" ] || cp "\${folder#file:}$name" "$dir/$name"; }; then
      echo reached
      zcat -f "$dir/$name" | awk -v arch=${sh(facts.arch)} '$1 == "Package:" {name = $2} $1 == "Version:" {version = $2} $1 == "Architecture:" {its = $2}
        $0 == "" && (its == arch || its == "all") {print name, version} $0 == "" {its = arch} END {if (its == arch || its == "all") print name, version}' | grep -E '^(${tools.join('|')}) ' || true
      break
    fi
  done
done
`,
    timeoutMs: 90_000,
    judge(output) {
      const lines = output.split('\n');
      const there = lines.map(line => {
        const [name = '', found = ''] = line.split(' ');
        return { kind: 'deb' as const, name, version: found, arch: facts.arch, path: '', sha256: '', bytes: 0 };
      });
      const lacking = missing.filter(name => !there.some(deb => isFor(deb, { name, version })));
      const found = there.filter(deb => deb.name === 'kubeadm').map(deb => deb.version);
      if (lacking.length === 0) return { ok: true, observed: `${url} has them` };
      return lines.includes('reached')
        ? {
            ok: false,
            observed: `${url} has no ${lacking.join(', ')} ${version}; versions there: ${found.slice(-5).join(', ') || 'none'}`,
            hint: 'choose one of the versions there, name a repository that has it (kubernetes.repository in the inventory), or give the packages with --bundle DIR',
          }
        : {
            ok: false,
            observed: `no answer from ${url}${world.bundle ? `, and the bundle lacks ${missing.join(', ')} ${version}` : ''}`,
            hint: `give the packages with --bundle DIR, or let it reach ${url} (see why not: ${command('curl', '-IL', `${folders[0] ?? url}Packages`)})`,
          };
    },
  });
}

function images({ world, host, read, hops }: Subject): Probe {
  const { kubeProxy } = world.cluster.kubernetes;
  const lacking = hops.flatMap(hop => {
    const at = (name: string) => `${registry}/${name}:${hop}`;
    const exact = [
      ...(host.role === 'control-plane'
        ? [at('kube-apiserver'), at('kube-controller-manager'), at('kube-scheduler')]
        : []),
      ...(kubeProxy ? [at('kube-proxy')] : []),
      pauseImage(hop),
    ];
    const known = releases[minorText(hop)];
    // Later patches may bring newer ones: which, only that kubeadm says.
    const least = [
      ...(known && host.role === 'control-plane' ? [{ name: `${registry}/etcd`, version: known.etcd }] : []),
      ...(known ? [{ name: `${registry}/coredns/coredns`, version: known.coreDns }] : []),
    ];
    return [
      ...exact.filter(image => !bundled(world.bundle, image) && !read.images.includes(image)),
      ...least
        .filter(each => !hasSince(subjectImages(world.bundle?.entries ?? [], read.images), each))
        .map(({ name, version }) => `${name} ${version} or later`),
    ];
  });
  const names = [...new Set(lacking)];
  const base = {
    id: 'images',
    title: "can have kubeadm's images",
    expected: `those of ${hops.join(', ')} in the bundle, on the machine, or ${registry} answers`,
    reproduce: `curl -I https://${registry}/v2/`,
  };
  if (names.length === 0) return seen({ ...base, host: host.name, observed: 'all there', ok: true });
  const mirrored = world.cluster.containerd.registries.find(each => each.host === registry && each.mirrors.length > 0);
  if (mirrored) return seen({ ...base, host: host.name, observed: `from ${mirrored.mirrors.join(', ')}`, ok: true });
  return check({
    ...base,
    host,
    script: `if timeout 8 bash -c 'exec 3<>"/dev/tcp/$1/443"' - ${registry} 2>/dev/null; then echo reached; fi\n`,
    judge: output =>
      output === 'reached'
        ? { ok: true, observed: `${registry} answers` }
        : {
            ok: false,
            observed: `${registry} does not answer, and missing are ${names.join(', ')}`,
            hint: `give the images with --bundle DIR, or let it reach https://${registry}`,
          },
  });
}

function subjectImages(
  entries: readonly { readonly kind: string; readonly name: string }[],
  onMachine: readonly string[],
): readonly string[] {
  return [...entries.filter(({ kind }) => kind === 'image').map(({ name }) => name), ...onMachine];
}

function hasSince(
  images: readonly string[],
  { name, version }: { readonly name: string; readonly version: string },
): boolean {
  return images.some(image => image.startsWith(`${name}:`) && isSince(image.slice(name.length + 1), version));
}

// '3.5.16-0' and 'v1.11.3'.
function isSince(tag: string, version: string): boolean {
  const numbers = (text: string) => (/\d+(\.\d+)*/.exec(text)?.[0] ?? '0').split('.').map(Number);
  const [a, b] = [numbers(tag), numbers(version)];
  const at = b.findIndex((each, index) => (a[index] ?? 0) !== each);
  return at < 0 || (a[at] ?? 0) > (b[at] ?? 0);
}
