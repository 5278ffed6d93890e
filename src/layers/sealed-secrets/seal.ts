// Seals one value for one Secret as kubeseal does, strict scope (bitnami-labs/sealed-secrets pkg/crypto/crypto.go, HybridEncrypt).
import { constants, createCipheriv, publicEncrypt, randomBytes } from 'node:crypto';

/** Length of the sealed session key (2 bytes), that key, the value under it; base64. */
export function seal(certificate: string, namespace: string, name: string, value: Buffer): string {
  const sessionKey = randomBytes(32);
  const sealedKey = publicEncrypt(
    {
      key: certificate,
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: 'sha256',
      oaepLabel: Buffer.from(`${namespace}/${name}`),
    },
    sessionKey,
  );
  const length = Buffer.alloc(2);
  length.writeUInt16BE(sealedKey.length);
  // A key is used once: upstream's nonce is zero.
  const cipher = createCipheriv('aes-256-gcm', sessionKey, Buffer.alloc(12));
  return Buffer.concat([length, sealedKey, cipher.update(value), cipher.final(), cipher.getAuthTag()]).toString(
    'base64',
  );
}
