// The example `dashboard` and a Redis of its own, started and stopped by a test. Each is known by its process.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, connect } from "node:net";

/** A loopback port that nobody listens on. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Whether somebody listens on `port`. */
function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}

async function stop(child) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

export class Redis {
  async start() {
    this.port ??= await freePort();
    const settings = ["--port", this.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    this.child = spawn(process.env.LARDER_REDIS_SERVER ?? "redis-server", settings.map(String), { stdio: "ignore" });
    while (!(await listens(this.port))) {
      if (this.child.exitCode !== null) throw new Error("redis-server did not come up");
    }
    return this;
  }

  stop() {
    return stop(this.child);
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }
}

export class Shop {
  /** Starts the example, over `redis` if there is one, on the port that it had before. */
  async start(redis) {
    const environment = { ...process.env, PORT: String(this.port ?? 0) };
    delete environment.REDIS_URL;
    if (redis) environment.REDIS_URL = redis.url;
    this.child = spawn(process.env.LARDER_DASHBOARD, [], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    for await (const piece of this.child.stdout) {
      said += piece;
      if (said.includes("Ctrl-C")) break;
    }
    this.address = said.match(/^address +(\S+)$/m)?.[1];
    this.token = said.match(/^token +(\S+)$/m)?.[1];
    if (!this.token) throw new Error(`the example did not come up: ${said}`);
    this.port = Number(new URL(this.address).port);
    return this;
  }

  stop() {
    return stop(this.child);
  }

  /** Opens the page and signs in. */
  async visit(page) {
    await page.goto(this.address);
    await this.signIn(page);
  }

  /** Signs in on a page that asks for it. */
  async signIn(page) {
    await page.getByLabel("Token").fill(this.token);
    await page.getByRole("button", { name: "Show the cache" }).click();
    await page.getByRole("heading", { name: "Declared keys" }).waitFor();
  }
}
