import type { FlannelFiles } from "../cni/plugins/flannel.ts";
import {
  makeDirectories,
  namesIn,
  O,
  openFile,
  readFile,
  renameFile,
  unlinkFile,
  writeAll,
} from "../sys/file.ts";
import type { Libc } from "../sys/libc.ts";

/** The files of the flannel plugin, by way of the C library. */
export function flannelFiles(libc: Libc): FlannelFiles {
  return {
    read(path) {
      const bytes = readFile(libc, path);
      return bytes && new TextDecoder().decode(bytes);
    },
    write(path, text) {
      makeDirectories(libc, path.slice(0, path.lastIndexOf("/")), 0o700);
      const unfinished = `${path}.${process.pid}`;
      const file = openFile(libc, unfinished, O.O_WRONLY | O.O_CREAT | O.O_TRUNC, { mode: 0o600 });
      if (!file) return;
      try {
        writeAll(libc, file.fd, new TextEncoder().encode(text), unfinished);
      } finally {
        file.close();
      }
      renameFile(libc, unfinished, path);
    },
    remove: (path) => void unlinkFile(libc, path),
    namesIn(path) {
      const folder = openFile(libc, path, O.O_RDONLY, { unless: ["ENOENT", "ENOTDIR"] });
      if (!folder) return [];
      try {
        return namesIn(libc, folder);
      } finally {
        folder.close();
      }
    },
  };
}
