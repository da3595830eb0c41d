/** Wires, links and routers: what the unit is connected to. */
import { z } from 'zod';
import type { PrefixText } from '../base/units.ts';
import { owners } from './cluster.ts';
