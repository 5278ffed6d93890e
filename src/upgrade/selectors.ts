// Which pods and which nodes are meant, by their labels.
import type { Labels, NodeTerm, Requirement, Selector, WorkNode } from '../model/workloads.ts';

export function selects({ labels, expressions }: Selector, of: Labels): boolean {
  return Object.entries(labels).every(([key, value]) => of[key] === value) && meets(expressions, of);
}

/** Will this node do? No terms: every node will. */
export function reaches(terms: readonly NodeTerm[], { name, labels }: WorkNode): boolean {
  return (
    terms.length === 0 ||
    terms.some(
      term =>
        // A term that asks for nothing means no node.
        term.labels.length + term.fields.length > 0 &&
        meets(term.labels, labels) &&
        meets(term.fields, { 'metadata.name': name }),
    )
  );
}

function meets(requirements: readonly Requirement[], of: Labels): boolean {
  return requirements.every(({ key, operator, values }) => {
    const value = of[key];
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'Gt':
        return Number(value) > Number(values[0]);
      case 'Lt':
        return Number(value) < Number(values[0]);
      default:
        return value === undefined;
    }
  });
}
