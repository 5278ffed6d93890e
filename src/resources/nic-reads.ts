// What reading several knobs has in common: sh, as bodies of functions.

/** 'on' is never, 'auto' is when the kernel likes. */
export function readControl(path: string): string {
  return `if [ ! -e "${path}/power/control" ]; then echo 'n/a: the device has no power control'
elif [ "$(cat "${path}/power/runtime_status" 2>/dev/null)" = unsupported ]; then echo 'n/a: the driver manages no power at run time'
else cat "${path}/power/control"; fi
`;
}

/** What a tool says, in $said. 'Operation not supported' is an answer, `without`; anything else that fails is none. */
export function asked(tool: string, line: string, without: string, pattern = `*'Operation not supported'*`): string {
  return `command -v ${tool} >/dev/null || { echo 'unknown: ${tool} is not installed'; return; }
said=$(timeout 10 ${line} 2>&1) || {
  case $said in
    ${pattern}) echo 'n/a: ${without}' ;;
    *) printf 'unknown: %s\\n' "$(printf '%s\\n' "$said" | tail -n 1)" ;;
  esac
  return
}`;
}

/** 'on' as long as one of these features is; those that are fixed are not ours to switch. */
export function readOffloads(features: readonly string[]): string {
  return `${asked('ethtool', 'ethtool -k "$nic"', 'the driver has no offloads')}
printf '%s\\n' "$said" | awk '
  $1 ~ /^(${features.join('|')}):$/ && $3 != "[fixed]" { some = 1; if ($2 == "on") on = 1 }
  END { print on ? "on" : some ? "off" : "n/a: the driver has it fixed" }'
`;
}
