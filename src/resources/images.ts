// The images that kubeadm's own list names for this machine's role, and what else a bundle has, in containerd before anything needs them.
import type { BundleEntry } from '../model/bundle.ts';
import type { Role } from '../model/cluster.ts';
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { uploadOf } from './packages.ts';
import { defineResource } from './resource.ts';

type State = { readonly missing: readonly string[] };

// containerd's CRI plugin never collects an image with this label.
const label = 'io.cri-containerd.pinned';
const pin = `${label}=pinned`;
const socket = '/run/containerd/containerd.sock';
/** sh: fills $have with the pinned images; its exit code says whether anybody knows. */
export const pinnedImages = `have=$(timeout 20 ctr -n k8s.io images list -q ${sh(`labels."io.cri-containerd.pinned"==pinned`)} 2>/dev/null)`;
const unknownYet = 'kubeadm says which, once it is installed';
const ofKubeadm =
  /^registry\.k8s\.io\/(kube-(apiserver|controller-manager|scheduler|proxy)|coredns\/coredns|etcd|pause):/;
const onWorkers = /\/(kube-proxy|pause|coredns):/;

export interface ImagesOptions {
  /** 'v1.31.1'. */
  readonly version: string;
  readonly role: Role;
  readonly kubeProxy: boolean;
  readonly bundle: readonly BundleEntry[];
  /** dpkg's name. */
  readonly arch: string;
}

/** Imported from the bundle where it has them, pulled otherwise; pinned, so that kubelet's garbage collection leaves them. */
export function kubeadmImages({ version, role, kubeProxy, bundle, arch }: ImagesOptions): Resource {
  const wantsIt = (image: string) =>
    isKubeadms(image) &&
    (!image.includes('/kube-') || image.endsWith(`:${version}`)) &&
    (role === 'control-plane' || onWorkers.test(image)) &&
    (kubeProxy || !image.includes('/kube-proxy:'));
  return defineResource<State>({
    key: 'images:kubeadm',
    name: 'images',
    title: "Have kubeadm's images",
    // A containerd that was killed leaves its socket: then nobody knows, until its own phase has started it again.
    read: `if ! command -v kubeadm >/dev/null || ! [ -S ${socket} ]; then echo unknown; exit 0; fi
${pinnedImages} || { echo unknown; exit 0; }
wanted=$(kubeadm config images list --kubernetes-version ${sh(version)} 2>/dev/null) || { echo unknown; exit 0; }
${missingScript('$wanted')}`,
    parse: output => ({
      missing:
        output.trim() === 'unknown' ? [unknownYet] : output.split('\n').filter(image => image !== '' && wantsIt(image)),
    }),
    blank: { missing: [unknownYet] },
    desired: { missing: [] },
    differences: observed => observed.missing.map(image => `missing: ${image}`),
    act(observed) {
      const entries = bundle.filter(entry => entry.kind === 'image' && entry.arch === arch && wantsIt(entry.name));
      const imported = entries.filter(
        entry => observed.missing.includes(entry.name) || observed.missing.includes(unknownYet),
      );
      const pulled = observed.missing.filter(
        image => image !== unknownYet && !imported.some(entry => entry.name === image),
      );
      return {
        diff: observed.missing.map(image => `+ ${image}`).join('\n'),
        action: {
          script: imported.map(importScript).join('') + pulled.map(pullScript).join(''),
          uploads: imported.map(uploadOf),
          timeoutMs: 1_200_000,
          explain: [
            {
              pattern: /failed to resolve|failed to do request|dial tcp|no such host/,
              message: 'an image could not be pulled',
              hint: 'check that this machine reaches registry.k8s.io, or give the images with --bundle DIR',
            },
          ],
        },
      };
    },
  });
}

/** Whether kubeadm may want it; which of them it wants is its own to say. */
export function isKubeadms(image: string): boolean {
  return ofKubeadm.test(image);
}

/** Images that were added to the bundle: on every machine they are for, pinned like kubeadm's. */
export function bundleImages(entries: readonly BundleEntry[]): Resource {
  const missingOf = ({ missing }: State) => entries.filter(({ name }) => missing.includes(name));
  return defineResource<State>({
    key: 'images:bundle',
    name: 'bundle-images',
    title: "Have the bundle's other images",
    read: `have=
[ ! -S ${socket} ] || ${pinnedImages} || :
${missingScript(command(...entries.map(({ name }) => name)))}`,
    parse: output => ({ missing: output.split('\n').filter(image => image !== '') }),
    blank: { missing: entries.map(({ name }) => name) },
    desired: { missing: [] },
    differences: observed => missingOf(observed).map(({ name }) => `missing: ${name}`),
    act: observed => ({
      diff: missingOf(observed)
        .map(({ name }) => `+ ${name}`)
        .join('\n'),
      action: {
        script: missingOf(observed).map(importScript).join(''),
        uploads: missingOf(observed).map(uploadOf),
        timeoutMs: 1_200_000,
      },
    }),
  });
}

/** sh: names those of `images` (words of sh) that $have has not. */
function missingScript(images: string): string {
  return `for image in ${images}; do
  case "
$have
" in *"
$image
"*) ;; *) echo "$image" ;; esac
done
`;
}

/** sh: it stays until the kubelet needs its room. A label without a value is none (containerd metadata/boltutil). */
export function unpin(image: string): string {
  return `${command('ctr', '-n', 'k8s.io', 'images', 'label', image, `${label}=`)} >/dev/null\n`;
}

function importScript(entry: BundleEntry): string {
  const { remotePath } = uploadOf(entry);
  return `${command('ctr', '-n', 'k8s.io', 'images', 'import', remotePath)} >/dev/null
${command('ctr', '-n', 'k8s.io', 'images', 'label', entry.name, pin)} >/dev/null
${command('rm', '-f', '--', remotePath)}
`;
}

function pullScript(image: string): string {
  return `ctr -n k8s.io images list -q | grep -qxF ${sh(image)} || ${command('ctr', '-n', 'k8s.io', 'images', 'pull', '--hosts-dir', '/etc/containerd/certs.d', image)} >/dev/null
${command('ctr', '-n', 'k8s.io', 'images', 'label', image, pin)} >/dev/null
`;
}
