/** What headgate uses of net-snmp, which brings no types of its own. */
declare module 'net-snmp' {
  export interface Varbind {
    readonly oid: string;
    readonly type: number;
    readonly value: unknown;
  }
  export interface User {
    readonly name: string;
    readonly level: number;
    readonly authProtocol?: number;
    readonly authKey?: string;
    readonly privProtocol?: number;
    readonly privKey?: string;
  }
  export interface SessionOptions {
    readonly version: number;
    readonly port: number;
    readonly retries: number;
    readonly timeout: number;
    readonly transport: 'udp4' | 'udp6';
    readonly backwardsGetNexts: boolean;
    readonly reportOidMismatchErrors: boolean;
  }
  export interface Session {
    get(oids: string[], callback: (error: Error | null, varbinds: Varbind[]) => void): void;
    subtree(
      oid: string,
      maxRepetitions: number,
      feed: (varbinds: Varbind[]) => boolean | undefined,
      done: (error: Error | null) => void,
    ): void;
    close(): void;
    on(event: 'error', listener: (error: Error) => void): void;
  }
  const snmp: {
    createSession(address: string, community: string, options: SessionOptions): Session;
    createV3Session(address: string, user: User, options: SessionOptions): Session;
    isVarbindError(varbind: Varbind): boolean;
    readonly Version2c: number;
    readonly Version3: number;
    readonly SecurityLevel: Readonly<Record<'noAuthNoPriv' | 'authNoPriv' | 'authPriv', number>>;
    readonly AuthProtocols: Readonly<Record<string, number>>;
    readonly PrivProtocols: Readonly<Record<string, number>>;
    readonly RequestTimedOutError: new (message: string) => Error;
  };
  export default snmp;
}
