// Says what node's http module makes of each request.
"use strict";
const http = require("node:http");
const { createHash } = require("node:crypto");

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    const line = Buffer.from(`${request.method} ${request.url}`, "latin1").toString("hex");
    let framing = "none";
    if (request.headers["transfer-encoding"] !== undefined) framing = "chunked";
    else if (request.headers["content-length"] !== undefined) framing = "length";
    const digest = createHash("sha256").update(body).digest("hex");
    response.setHeader("X-Report", `${line} ${framing} ${body.length} ${digest}`);
    response.setHeader("Content-Length", "0");
    response.end();
  });
});
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port} `));
