// SealedSecrets, as their CRD of v1alpha1 has them: whether they were opened; never what is in them.
import { z } from 'zod';
import { conditions, metadata } from './common.ts';

export const sealedSecret = z.object({ metadata, status: z.object({ conditions }).nullish() });
