import { describe, expect, test } from 'vitest';
import { type AdmissionHooks, type AdmissionRequest, admit, denyAll } from '../../src/tokens/index.ts';
import { identityNumber, start, yearLater } from './identities.ts';

const request: AdmissionRequest = {
  token: identityNumber(1, 'jis:alice').token,
  action: 'invite',
  target: 'jis:bob',
  now: start,
};

/** Hooks that agree, and the order in which they were called. */
function agreeing(change: Partial<AdmissionHooks> = {}): { hooks: AdmissionHooks; calls: string[] } {
  const calls: string[] = [];
  const hooks: AdmissionHooks = {
    authenticate: () => calls.push('authenticate') > 0,
    authorise: async () => calls.push('authorise') > 0,
    account: (_request, verdict) => void calls.push(`account ${verdict}`),
    ...change,
  };
  return { hooks, calls };
}

const failing = (): never => {
  throw new Error('hook failed');
};

describe('admission hooks', () => {
  test('seed 35: the default denies', async () => {
    expect(await admit(request)).toBe('not-authenticated');
    expect(denyAll.authorise(request)).toBe(false);
  });

  test('seed 35: authenticate, authorise and account are each called, in this order', async () => {
    const { hooks, calls } = agreeing();
    expect(await admit(request, hooks)).toBe('admitted');
    expect(calls).toEqual(['authenticate', 'authorise', 'account admitted']);
  });

  test('seed 28: an unauthorised sender is dropped, and that is accounted for', async () => {
    const { hooks, calls } = agreeing({ authorise: () => false });
    expect(await admit(request, hooks)).toBe('not-authorised');
    expect(calls).toEqual(['authenticate', 'account not-authorised']);
  });

  test('seed 34: a token outside its time reaches no hook but the account', async () => {
    const { hooks, calls } = agreeing();
    expect(await admit({ ...request, now: yearLater }, hooks)).toBe('not-valid');
    expect(calls).toEqual(['account not-valid']);
  });

  test.each<[keyof AdmissionHooks, string]>([
    ['authenticate', 'not-authenticated'],
    ['authorise', 'not-authorised'],
    ['account', 'not-accounted'],
  ])('a failing %s hook refuses', async (name, verdict) => {
    expect(await admit(request, agreeing({ [name]: failing }).hooks)).toBe(verdict);
  });
});
