// What is looked for in a machine's logs: fragments that outlived versions, as grep -E reads them in any case. A line that has none stays there.

/** Of the kernel: cards that hang or lose their link, memory and disks that give up. */
export const kernelFragments: readonly string[] = [
  ...['Detected Hardware Unit Hang', 'NETDEV WATCHDOG', 'transmit queue [0-9]+ timed out', 'rtl_rxtx_empty_cond'],
  ...[
    'Link is (up|down)',
    'link (up|down)$',
    'link becomes ready',
    'Reset adapter',
    'adapter reset',
    'carrier (on|off)',
    'Lost carrier',
  ],
  ...['Out of memory', 'oom-kill', 'Killed process', 'invoked oom-killer', 'Memory cgroup out of memory'],
  ...['conntrack: .*table full', 'neighbou?r.*table overflow', 'TCP: out of memory'],
  ...[
    'I/O error',
    'Remounting filesystem read-only',
    'EXT4-fs (error|warning)',
    'XFS .*(shut|corrupt)',
    'BTRFS.*error',
  ],
  ...[
    'Buffer I/O',
    'critical (medium|target) error',
    'nvme.*(timeout|reset|remov(ed|ing))',
    'ata[0-9.]+: .*(fail|exception|error: )',
  ],
  ...['hung_task', 'blocked for more than', 'Hardware Error', 'Kernel panic'],
];

/** Of the kubelet, beyond what it calls a warning or an error itself (klog's E, F, W). */
export const kubeletFragments: readonly string[] = [
  ...['\\]: [EFW][0-9]{4} ', 'PLEG is not healthy', 'not ready', 'evict(ed|ing|ion manager: (must|attempt|unable))'],
  ...['has expired', 'Nameserver limits', 'no space left', 'too many open files', 'panic:', 'unknown flag'],
  ...['failed to run Kubelet', 'command failed', ' err="'],
];

/** Of containerd, which says level=error for what it survives too. */
export const containerdFragments: readonly string[] = [
  ...['level=(error|fatal)', 'no space left', 'failed to load plugin', 'cni config', 'too many open files', 'panic:'],
  ...['failed to load config', 'x509', 'i/o timeout', 'read-only file system', 'unknown (service|key|field)'],
];
