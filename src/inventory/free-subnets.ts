// Subnets for pods and services that nothing around the machines uses: decided at init, and never changed afterwards.
import { checkPodSubnet, overlap, type Subnet, toNumber, toSubnet, toText } from './addresses.ts';
import { defaults } from './profiles.ts';

export interface ChosenSubnets {
  readonly podSubnet: string;
  readonly serviceSubnet: string;
  /** The usual ones that were passed over, with what is in their way. */
  readonly passedOver: readonly { readonly subnet: string; readonly because: string }[];
}

/** In the order in which they are tried: the usual one first, then the other private ranges (RFC 1918). */
const forPods = [defaults.podSubnet, '10.240.0.0/16', '10.42.0.0/16', '172.20.0.0/16', '192.168.0.0/16'];
const forServices = [defaults.serviceSubnet, '10.112.0.0/12', '10.32.0.0/12', '172.24.0.0/14', '192.168.224.0/20'];

/** `taken`: addresses and subnets that machines have or have routes to, each with who says so. Undefined where nothing is free. */
export function freeSubnets(
  taken: readonly { readonly what: string; readonly where: string }[],
  machines: number,
): ChosenSubnets | undefined {
  const used = taken.flatMap(({ what, where }) => {
    const subnet = toSubnet(what.includes('/') ? what : `${what}/32`);
    return subnet && subnet.prefix > 0 ? [{ ...subnet, text: `${what} (${where})` }] : [];
  });
  const passedOver: { readonly subnet: string; readonly because: string }[] = [];
  const first = (candidates: readonly string[], others: readonly Subnet[]): string | undefined =>
    candidates.find(text => {
      const subnet = toSubnet(text);
      if (!subnet || others.some(each => overlap(each, subnet))) return false;
      const inTheWay = used.find(each => overlap(each, subnet));
      if (inTheWay) passedOver.push({ subnet: text, because: inTheWay.text });
      return !inTheWay;
    });
  const podSubnet = first(
    forPods.map(text => withRoomFor(text, machines)),
    [],
  );
  const pods = podSubnet === undefined ? undefined : toSubnet(podSubnet);
  const serviceSubnet = first(forServices, pods ? [pods] : []);
  return podSubnet === undefined || serviceSubnet === undefined ? undefined : { podSubnet, serviceSubnet, passedOver };
}

/** Every machine takes a /24: as many of them, and as many again. */
function withRoomFor(text: string, machines: number): string {
  const bits = Math.ceil(Math.log2(Math.max(1, machines) * 2));
  const [address = '', prefix = ''] = text.split('/');
  const wanted = Math.max(8, Math.min(Number(prefix), 24 - bits));
  const base = toNumber(address) ?? 0;
  const grown = `${toText(base - (base % 2 ** (32 - wanted)))}/${wanted}`;
  return checkPodSubnet(grown) === undefined ? grown : text;
}
