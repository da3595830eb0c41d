/** An operator, its account and a user, as JWTs that a nats-server and a unit take (JWT with alg `ed25519-nkey`, version 2). */
import { nkeys } from '@nats-io/nats-core';

export interface Credentials {
  /** For the server's `operator`, `resolver_preload` and `system_account`. */
  readonly operator: string;
  readonly accounts: ReadonlyArray<{ readonly key: string; readonly jwt: string }>;
  readonly systemAccount: string;
  /** The text of a credentials file. */
  readonly user: string;
}

type Keys = ReturnType<typeof nkeys.createUser>;

export function makeCredentials(): Credentials {
  const [operator, account, system, user] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createUser(),
  ];
  const unlimited = { subs: -1, data: -1, payload: -1 };
  const accountLimits = { ...unlimited, imports: -1, exports: -1, conn: -1, wildcards: true };
  const jetStream = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountJwt = (keys: Keys, limits: object) =>
    sign(operator, keys, { type: 'account', limits });
  const userJwt = sign(account, user, { type: 'user', ...unlimited, pub: {}, sub: {} });
  return {
    operator: sign(operator, operator, {
      type: 'operator',
      system_account: system.getPublicKey(),
    }),
    accounts: [
      {
        key: account.getPublicKey(),
        jwt: accountJwt(account, { ...accountLimits, ...jetStream }),
      },
      { key: system.getPublicKey(), jwt: accountJwt(system, accountLimits) },
    ],
    systemAccount: system.getPublicKey(),
    user: `-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${new TextDecoder().decode(user.getSeed())}
------END USER NKEY SEED------
`,
  };
}

function sign(issuer: Keys, subject: Keys, nats: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    jti: subject.getPublicKey(),
    iat: Math.floor(Date.now() / 1000) - 60,
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: 'test',
    nats: { ...nats, version: 2 },
  };
  const text = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(claims)}`;
  const signature = Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url');
  return `${text}.${signature}`;
}
