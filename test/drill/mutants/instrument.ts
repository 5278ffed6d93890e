// Every decision in a source file gets a switch: with its number in `mutant.active` it decides the other way.
import { parseAst } from 'rolldown/parseAst';
import type { Mutation } from './switches.ts';

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** What each comparison becomes; the second is its neighbour, one value away. */
const comparisons: Readonly<Record<string, readonly string[]>> = {
  '===': ['!=='],
  '!==': ['==='],
  '<': ['>=', '<='],
  '<=': ['>', '<'],
  '>': ['<=', '>='],
  '>=': ['<', '>'],
};
const questions = /^(some|every|includes|startsWith|endsWith|test|has)$|^(is|has|was|can|does)[A-Z]/;

/** The same program with switches, for `switches.ts`; decisions outside of functions are left as they are. */
export function instrument(source: string, file: string, firstId: number) {
  const mutations: Mutation[] = [];
  const add = (node: Node, to: string) => {
    const id = firstId + mutations.length;
    const before = source.slice(0, node.start).split('\n');
    const text = source.slice(node.start, node.end).replace(/\s+/g, ' ').slice(0, 90);
    mutations.push({
      id,
      at: `${file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`,
      change: `${text}  became  ${to}`,
    });
    return id;
  };

  const render = (node: Node, inFunction: boolean): string => {
    if (node.type.startsWith('TS') && node['expression'] === undefined) return source.slice(node.start, node.end);
    const inside = inFunction || /Function/.test(node.type);
    const child = (key: string) => render(node[key] as Node, inside);
    if (!inside) return spliced(node, inside);
    if (node.type === 'BinaryExpression') {
      const others = comparisons[String(node['operator'])];
      if (!others) return spliced(node, inside);
      const operands = `${child('left')}, ${child('right')}`;
      const ids = others.map(other => `[${add(node, other)}, ${JSON.stringify(other)}]`);
      return `mutant.compare(${JSON.stringify(node['operator'])}, [${ids}], ${operands})`;
    }
    if (node.type === 'LogicalExpression' && node['operator'] !== '??') {
      const id = add(node, node['operator'] === '&&' ? '||' : '&&');
      return `mutant.logical(${id}, ${JSON.stringify(node['operator'])}, () => (${child('left')}), () => (${child('right')}))`;
    }
    if (node.type === 'UnaryExpression' && node['operator'] === '!')
      return `mutant.not(${add(node, 'without !')}, ${child('argument')})`;
    if (node.type === 'CallExpression') {
      const callee = node['callee'] as Node;
      const property = callee.type === 'MemberExpression' ? (callee['property'] as Node) : callee;
      const name = property.type === 'Identifier' ? String(property['name']) : '';
      if (name === 'filter' && callee.type === 'MemberExpression') {
        const [first] = node['arguments'] as readonly Node[];
        if (first)
          return `${render(callee, inside)}(mutant.kept(${add(node, 'without the filter')}, ${render(first, inside)}))`;
      }
      if (questions.test(name)) return `mutant.turned(${add(node, 'its contrary')}, ${spliced(node, inside)})`;
    }
    return spliced(node, inside);
  };

  /** The node's own text with its children rendered. */
  const spliced = (node: Node, inside: boolean): string => {
    let at = node.start;
    let text = '';
    for (const each of childrenOf(node)) {
      // A shorthand property is its own key and value.
      if (each.start < at) continue;
      text += source.slice(at, each.start) + render(each, inside);
      at = each.end;
    }
    return text + source.slice(at, node.end);
  };

  const program = parseAst(source, { lang: 'ts' }) as unknown as Node;
  const body = source.slice(0, program.start) + spliced(program, false) + source.slice(program.end);
  const head = `import { mutant } from '/test/drill/mutants/switches.ts';\nmutant.declare(${JSON.stringify(mutations)});\n`;
  return { code: head + body, mutations };
}

function childrenOf(node: Node): readonly Node[] {
  return Object.values(node)
    .flat()
    .filter((each): each is Node => typeof each === 'object' && each !== null && 'type' in each && 'start' in each)
    .sort((a, b) => a.start - b.start);
}
