// Images of versions that nothing here wants any more. They stay until the kubelet needs their room, as it does with every image that is
// not pinned: a machine that is upgraded for years would be full of them otherwise.
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { type ImagesOptions, pinnedImages, unpin } from './images.ts';
import { defineResource } from './resource.ts';

type State = { readonly stale: readonly string[] };

export function oldImages({ version, bundle, arch }: Pick<ImagesOptions, 'version' | 'bundle' | 'arch'>): Resource {
  const added = bundle.flatMap(({ kind, name, arch: of }) => (kind === 'image' && of === arch ? [name] : []));
  return defineResource<State>({
    key: 'images:old',
    name: 'old-images',
    title: 'Let the kubelet collect images of older versions',
    // Who does not answer says nothing about what is old.
    read: `${pinnedImages} || exit 0
wanted=$(kubeadm config images list --kubernetes-version ${sh(version)} 2>/dev/null) || exit 0
for image in $wanted ${command(...added)}; do echo "wanted $image"; done
for image in $have; do echo "pinned $image"; done
`,
    parse(output) {
      const named = (what: string) =>
        output.split('\n').flatMap(line => (line.startsWith(`${what} `) ? [line.slice(what.length + 1)] : []));
      const wanted = named('wanted');
      // containerd pins its sandbox image anew by itself, whichever its settings name.
      const repositories = new Set(wanted.map(repositoryOf).filter(each => !each.endsWith('/pause')));
      const isStale = (image: string) => repositories.has(repositoryOf(image)) && !wanted.includes(image);
      return { stale: named('pinned').filter(isStale).toSorted() };
    },
    blank: { stale: [] },
    desired: { stale: [] },
    differences: ({ stale }) => stale.map(image => `kept for ever: ${image}`),
    act: ({ stale }) => ({
      diff: stale.map(image => `- pin of ${image}`).join('\n'),
      action: { script: stale.map(unpin).join(''), timeoutMs: 120_000 },
    }),
  });
}

/** Without tag and digest. */
function repositoryOf(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
}
