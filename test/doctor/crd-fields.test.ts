// Every field that is kept of a product's kind stands in its CRD; tests' objects are held to the same (products.ts).
import { describe, expect, it } from 'vitest';
import { kindNames, kinds } from '../../src/doctor/objects/kinds.ts';
import { crdFields, everyField, unknownFields } from './crd-fields.ts';

const custom = kindNames.filter(name => 'custom' in kinds[name]);

describe('fields of custom kinds', () => {
  it('are known for each of them', () => {
    expect(Object.keys(crdFields).sort()).toEqual([...custom].sort());
    for (const name of custom) {
      const group = kinds[name].resource.slice(kinds[name].resource.indexOf('.') + 1);
      expect(crdFields[name]?.apiVersion.startsWith(`${group}/`), name).toBe(true);
    }
  });

  it.each(custom)('of %s that rules read are fields of its CRD', name => {
    const all = everyField(kinds[name].schema);
    expect(Object.keys(all as object)).toContain('metadata');
    expect(unknownFields(name, all)).toEqual([]);
  });

  it('that are made up are seen', () => {
    expect(unknownFields('longhornvolumes', { spec: { numberOfReplica: 3 } })).toEqual(['spec.numberOfReplica']);
    expect(
      unknownFields('authorizationpolicies', { spec: { rules: [{ to: [{ operation: { method: ['GET'] } }] }] } }),
    ).toEqual(['spec.rules[].to[].operation.method[]']);
    expect(unknownFields('peerauthentications', { spec: { portLevelMtls: { '3306': { mode: 'STRICT' } } } })).toEqual(
      [],
    );
  });
});
