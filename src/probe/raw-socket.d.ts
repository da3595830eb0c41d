/** What headgate uses of raw-socket, which brings no types of its own. */
declare module 'raw-socket' {
  export interface RawSocket {
    on(event: 'message', listener: (message: Buffer, source: string) => void): void;
    on(event: 'error', listener: (error: Error) => void): void;
    send(
      buffer: Buffer,
      offset: number,
      length: number,
      address: string,
      before: () => void,
      after: (error: Error | null, bytes: number) => void,
    ): void;
    setOption(level: number, option: number, value: number): void;
    setOption(level: number, option: number, value: Buffer, length: number): void;
    pauseRecv(): void;
    close(): void;
  }
  const raw: {
    createSocket(options: {
      readonly protocol: number;
      readonly addressFamily: number;
      readonly bufferSize?: number;
    }): RawSocket;
    readonly AddressFamily: { readonly IPv4: number; readonly IPv6: number };
  };
  export default raw;
}
