/** What a caller may do: each role includes those before it. */
export const roles = ['read', 'approve', 'control'] as const;
export type Role = (typeof roles)[number];

/**
 * The role that each command needs. A command that is not named here needs `control`: what nobody thought of is
 * not open to those who may only read.
 */
const needed: Readonly<Record<string, Role>> = {
  status: 'read',
  links: 'read',
  blocks: 'read',
  sessions: 'read',
  destinations: 'read',
  resolvers: 'read',
  units: 'read',
  plan: 'read',
  cycle: 'read',
  explain: 'read',
  explain_destination: 'read',
  explain_resolver: 'read',
  history: 'read',
  bill: 'read',
  usage: 'read',
  audit: 'read',
  bgp: 'read',
  bgp_routes: 'read',
  bgp_announced: 'read',
  bgp_changes: 'read',
  bgp_detours: 'read',
  bmp_peers: 'read',
  bmp_routers: 'read',
  bmp_routes: 'read',
  approve: 'approve',
  withdraw: 'control',
  resume: 'control',
  reload: 'control',
};

export const isNamed = (command: string): boolean => command in needed;

export function roleNeeded(command: string): Role {
  return needed[command] ?? 'control';
}

export function mayDo(role: Role, command: string): boolean {
  return roles.indexOf(role) >= roles.indexOf(roleNeeded(command));
}

/**
 * Where callers of a role connect: `control.sock` for everything, `control-read.sock` and `control-approve.sock`
 * beside it for those who may do less.
 */
export function socketOf(socket: string, role: Role): string {
  if (role === 'control') return socket;
  return socket.endsWith('.sock') ? `${socket.slice(0, -5)}-${role}.sock` : `${socket}-${role}`;
}
