import { sendDelete } from "../../src/links/gone-inside.ts";
import { openLibc } from "../../src/sys/libc.ts";

sendDelete(openLibc(), 0, Number(process.argv[2]));
