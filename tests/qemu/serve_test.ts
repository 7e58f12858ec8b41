// A real kernel's drivers on our devices: file systems, IOMMUs, faults. The counters of the guest's IOMMU are compared
// with what a driver must cause, and a back-end that ignores invalidations must be found out.

import { assert, assertEquals } from "@std/assert";
import { unavailable } from "@iova/libc";
import blk from "@iova/virtio-blk";
import net from "@iova/virtio-net";
import { countOpen, Loop, serveDevice, Server } from "@iova/vhost-user/testing";
import { Guest, type GuestOptions, noGuest } from "./guest.ts";

const reason = unavailable() ?? noGuest();
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: reason === null ? name : `${name} (ignored: ${reason})`, ignore: reason !== null, fn });

/** A disk that is served to guests, one after the other. */
class Disk {
  readonly folder = Deno.makeTempDirSync({ prefix: "iova-qemu-" });
  readonly image = `${this.folder}/disk.img`;
  readonly socket = `${this.folder}/disk.sock`;
  served;
  server: Server;
  readonly logged: string[] = [];
  readonly guests: Guest[] = [];
  /** Descriptors and mappings left open. */
  readonly leaked = countOpen();
  #serving = Promise.resolve();
  #stopped = false;

  constructor(readonly given: Record<string, unknown>, readonly checked: boolean) {
    Deno.writeFileSync(this.image, new Uint8Array(0));
    Deno.truncateSync(this.image, 64 << 20);
    [this.served, this.server] = this.#start();
    this.#serving = this.#serve();
  }

  /** Dies without finishing or telling anything, as if it were killed, and is started again. */
  async dieAndReturn(): Promise<void> {
    this.#stopped = true;
    await this.#serving;
    for (const ring of this.server.session?.rings.all ?? []) ring.active = false;
    this.server.close();
    this.served.stop();
    await new Promise((done) => setTimeout(done, 300));
    [this.served, this.server] = this.#start();
    this.#stopped = false;
    this.#serving = this.#serve();
  }

  #start(): [ReturnType<typeof serveDevice>, Server] {
    const served = serveDevice(blk, { image: this.image, ...this.given }, { checked: this.checked });
    const server = new Server(served, { log: (text) => this.logged.push(text) });
    assertEquals(server.listen(this.socket), 0);
    return [served, server];
  }

  get counters(): Record<string, number> {
    return this.server.statistics();
  }

  /** Boots a guest with the disk. */
  boot(options: Partial<GuestOptions> & { script: string }, device = "", before: string[] = []): Guest {
    const guest = new Guest({
      ...options,
      devices: [
        ...["-chardev", `socket,id=c0,path=${this.socket},reconnect=1`],
        ...before,
        ...["-device", `vhost-user-blk-pci,chardev=c0,disable-legacy=on,num-queues=${this.given.queues ?? 1}${device}`],
      ],
    });
    this.guests.push(guest);
    return guest;
  }

  async close(): Promise<void> {
    this.#stopped = true;
    await this.#serving;
    this.server.close();
    this.served.stop();
    Deno.removeSync(this.folder, { recursive: true });
  }

  async #serve(): Promise<void> {
    while (!this.#stopped) await this.server.turnElsewhere(50);
  }
}

async function withDisk(
  given: Record<string, unknown>,
  work: (disk: Disk) => Promise<void>,
  checked = false,
): Promise<void> {
  const disk = new Disk(given, checked);
  const failure = await work(disk).then(() => null, (error) => ({ error }));
  for (const guest of disk.guests) {
    guest.stop();
    await guest.ended();
  }
  await disk.close();
  if (failure !== null) throw failure.error;
  assertEquals(disk.leaked(), [0, 0], "descriptors and mappings");
}

async function content(guest: Guest): Promise<void> {
  assert(await guest.ended(), guest.output);
}

const MAKE = `
mkfs.ext4 -qF /dev/vda && mount /dev/vda /mnt || exit 1
dd if=/dev/urandom of=/mnt/data bs=64k count=64 2>/dev/null
cp /bin/busybox /mnt
sha256sum /mnt/data >/mnt/sum && cat /mnt/sum && sync && umount /mnt && e2fsck -fn /dev/vda
`;
const CHECK = `
e2fsck -fn /dev/vda && mount -o ro /dev/vda /mnt || exit 1
chroot /mnt /busybox true && /mnt/busybox sha256sum -c /mnt/sum && cat /mnt/sum
`;

test("a guest makes a file system on our disk, another one finds it whole, and the host as well", () =>
  withDisk({}, async (disk) => {
    const first = disk.boot({ script: MAKE });
    await content(first);
    const second = disk.boot({ script: CHECK });
    await content(second);
    const sum = /^[0-9a-f]{64}/m.exec(first.output)?.[0];
    assert(sum !== undefined && second.output.includes(sum));
    const { code } = new Deno.Command("e2fsck", { args: ["-fn", disk.image], stdout: "null", stderr: "null" })
      .outputSync();
    assertEquals(code, 0);
    assertEquals(disk.counters.errors + disk.counters.breakdowns, 0);
  }));

test("a guest with packed rings does the same", () =>
  withDisk({ packed: true }, async (disk) => {
    await content(disk.boot({ script: MAKE }, ",packed=on"));
    await content(disk.boot({ script: CHECK }, ",packed=on"));
  }));

test("a guest with 6 GiB has memory on both sides of the hole", () =>
  withDisk({}, async (disk) => {
    const guest = disk.boot({ script: `grep -c . /proc/iomem; ${MAKE}`, memory: 6144 });
    assert(await guest.printed("iova: up"), guest.output);
    assertEquals(disk.server.session?.memory.regions.map(({ guest, size }) => [guest, size]).at(-1), [
      2 ** 32,
      2 ** 32,
    ]);
    await content(guest);
  }));

const FIO = "fio --name=v --filename=/dev/vda --rw=randwrite --bs=4k --size=24M --iodepth=16 --numjobs=2 " +
  "--offset_increment=24M --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1";

for (const packed of [false, true]) {
  const kind = packed ? "packed" : "split";
  test(`a guest under load loses nothing when the back-end dies twice (two queues, ${kind} rings)`, () =>
    withDisk({ queues: 2, packed }, async (disk) => {
      const guest = disk.boot(
        {
          script: `echo "iova: load"; ${FIO} >/tmp/log 2>&1; code=$?; tail -n 3 /tmp/log; exit $code`,
          processors: 2,
          fio: true,
        },
        packed ? ",packed=on" : "",
      );
      assert(await guest.printed("iova: load"), guest.output);
      for (let deaths = 0; deaths < 2; deaths++) {
        const before = disk.counters.requests;
        for (let i = 0; i < 600 && disk.counters.requests < before + 200; i++) await pause(20);
        assert(disk.counters.requests > before, "the guest asks for nothing");
        await disk.dieAndReturn();
      }
      await content(guest);
      assertEquals(disk.server.connections, 1);
      assert(disk.counters.requests > 200, JSON.stringify(disk.counters));
    }));
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}

/** A guest behind QEMU's VT-d, whose script stops twice so that the counters between can be read. */
async function behindVtd(disk: Disk, kernel: string, script: string) {
  const guest = disk.boot(
    {
      machine: ",kernel-irqchip=split",
      kernel: `intel_iommu=on ${kernel}`,
      script: `echo "iova: before"; read go; ${script}; code=$?; echo "iova: after"; read go; (exit $code) && ${MAKE}`,
    },
    ",bus=rp0,iommu_platform=on,ats=on",
    ["-device", "intel-iommu,intremap=on,device-iotlb=on", "-device", "pcie-root-port,id=rp0,slot=1"],
  );
  assert(await guest.printed("iova: before"), guest.output);
  const before = disk.counters;
  await guest.type("");
  assert(await guest.printed("iova: after"), guest.output);
  const after = disk.counters;
  const during = Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]));
  return { guest, during };
}

const READS = "dd if=/dev/vda of=/dev/null bs=4k count=1000 iflag=direct 2>/dev/null";

test("behind a strict IOMMU a request of 4 KiB costs four misses and four invalidations", () =>
  withDisk({}, async (disk) => {
    const { guest, during } = await behindVtd(disk, "iommu=nopt iommu.strict=1", READS);
    const { requests, misses, invalidations } = during;
    assert(requests >= 1000 && requests < 1020, `${requests} requests`);
    assert(Math.abs(misses / requests - 4) < 0.04, `${misses} misses for ${requests} requests`);
    assert(Math.abs(invalidations / requests - 4) < 0.04, `${invalidations} invalidations for ${requests} requests`);
    // A page that nobody has mapped: we are told so, and the guest's kernel logs a fault.
    const { port } = disk.served.plugin;
    const bytes = new Uint8Array(4);
    let status = port.readAt(0, 0xdead_0000 | 0, bytes, 0, 4);
    for (let i = 0; i < 100 && status === 3; i++) {
      await new Promise((done) => setTimeout(done, 20));
      status = port.readAt(0, 0xdead_0000 | 0, bytes, 0, 4);
    }
    assertEquals(status, 2);
    await guest.type("");
    await content(guest);
    const { errors, breakdowns } = disk.counters;
    assertEquals([disk.served.iotlb.counters().refusals, errors, breakdowns], [1, 0, 0]);
    // Every view of a lease that was lent is a copy, and none was written after an invalidation had been answered.
    assertEquals([...disk.served.warnings], []);
    assert(/DMAR: \[DMA Read[^\n]*fault addr 0xdead0000/.test(guest.output), guest.output);
  }, true));

test("behind a lazy IOMMU invalidations are rare, and reach to the end of the address space", () =>
  withDisk({}, async (disk) => {
    // Lazy flushes come by time: large requests keep a slow computer from looking strict.
    const reads = "dd if=/dev/vda of=/dev/null bs=64k count=800 iflag=direct 2>/dev/null";
    const { guest, during } = await behindVtd(disk, "iommu=nopt iommu.strict=0", reads);
    assert(during.invalidations < 0.05 * during.misses, `${during.invalidations} for ${during.misses} misses`);
    await guest.type("");
    await content(guest);
  }));

test("behind an IOMMU that passes everything through, pages are asked for once and stay", () =>
  withDisk({}, async (disk) => {
    const { guest, during } = await behindVtd(disk, "iommu=pt", READS);
    assert(during.invalidations === 0 && during.misses < during.requests / 10, JSON.stringify(during));
    await guest.type("");
    await content(guest);
  }));

test("a back-end that ignores invalidations does not get past a guest's first check", () =>
  withDisk({}, async (disk) => {
    disk.served.iotlb.deaf = true;
    const guest = disk.boot(
      { machine: ",kernel-irqchip=split", kernel: "intel_iommu=on iommu=nopt iommu.strict=1", script: MAKE + CHECK },
      ",bus=rp0,iommu_platform=on,ats=on",
      ["-device", "intel-iommu,intremap=on,device-iotlb=on", "-device", "pcie-root-port,id=rp0,slot=1"],
    );
    const up = await guest.printed("iova: up");
    // It corrupts its guest: a wrong sum, a hang, or no guest at all.
    if (up) await Promise.race([guest.ended(), new Promise((done) => setTimeout(done, 15_000))]);
    assert(!guest.output.includes("iova: ended 0"), "nothing was noticed");
  }));

test("a guest lives on the disk: its root file system, programs and all", () =>
  withDisk({}, async (disk) => {
    const install = `${MAKE}
      mount /dev/vda /mnt && mkdir /mnt/dev /mnt/proc /mnt/sys /mnt/tmp /mnt/mnt || exit 1
      cp -a /bin /lib /lib64 /etc /init /mnt; umount /mnt`;
    await content(disk.boot({ script: install }));
    const live = `grep -q '^/dev/vda / ext4 rw' /proc/mounts && cp /data /again && cmp /data /again && sync`;
    await content(disk.boot({ kernel: "iova.root", script: live }));
  }));

/** A guest of another architecture, whose IOMMU is its machine's own; `work` looks at what its requests have shown. */
function elsewhere(
  name: string,
  kind: "pseries" | "virt",
  kernel: string,
  work: (seen: { highest: bigint; counters: Record<string, number> }) => void,
): void {
  const reason = unavailable() ?? noGuest(kind);
  Deno.test({
    name: reason === null ? name : `${name} (ignored: ${reason})`,
    ignore: reason !== null,
    fn: () =>
      withDisk({}, async (disk) => {
        let highest = 0n;
        disk.served.events.listen(({ type, address }) => {
          if (type === "dma" && BigInt(address as string) > highest) highest = BigInt(address as string);
        });
        const script = `dd if=/dev/urandom of=/tmp/data bs=64k count=16 2>/dev/null
          dd if=/tmp/data of=/dev/vda bs=64k oflag=direct 2>/dev/null || exit 1
          sum=$(sha256sum </tmp/data); echo $sum
          [ "$sum" = "$(dd if=/dev/vda bs=64k count=16 iflag=direct 2>/dev/null | sha256sum)" ] || exit 1
          dd if=/dev/vda of=/dev/null bs=4k count=500 iflag=direct 2>/dev/null`;
        const guest = disk.boot({ kind, script, kernel }, ",iommu_platform=on");
        await content(guest);
        work({ highest, counters: { ...disk.counters, ...disk.served.iotlb.counters() } });
        assert(guest.output.includes(await sha256(Deno.readFileSync(disk.image).subarray(0, 1 << 20))), guest.output);
      }),
  });
}

elsewhere("a pseries guest reaches us through its window at 2^59", "pseries", "", ({ highest }) => {
  assertEquals(highest >> 59n, 1n);
});

elsewhere("behind a strict SMMUv3 what was asked for is taken back", "virt", "iommu.strict=1", ({ counters }) => {
  const { requests, misses, invalidations } = counters;
  assert(misses > 3 * requests && invalidations > 0.75 * misses, JSON.stringify(counters));
});

elsewhere("behind a lazy SMMUv3 invalidations are rare", "virt", "iommu.strict=0", ({ counters }) => {
  assert(
    counters.misses > counters.requests && counters.invalidations < 0.1 * counters.misses,
    JSON.stringify(counters),
  );
});

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

test("two guests talk through us, and the capture of it opens in tshark", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "iova-qemu-net-" });
  const leaked = countOpen();
  const loop = new Loop();
  const record = `${folder}/capture.pcap`;
  const servers = ["a", "b"].map((id) => {
    const recorded = id === "a" ? { record } : {};
    const served = serveDevice(net, { queueSize: 256, ...recorded }, { id, loop });
    const server = new Server(served, {});
    assertEquals(server.listen(`${folder}/${id}.sock`), 0);
    return server;
  });
  let serving = true;
  const done = (async () => {
    while (serving) await loop.turnElsewhere(50);
  })();
  // With message interrupts this QEMU dies under TCG when a vhost-user network device starts.
  const boot = (id: string, script: string) =>
    new Guest({
      script,
      devices: [
        ...["-chardev", `socket,id=c0,path=${folder}/${id}.sock`, "-netdev", "vhost-user,id=n0,chardev=c0"],
        ...["-device", `virtio-net-pci,netdev=n0,disable-legacy=on,romfile=,vectors=0,mac=52:54:00:00:00:0${id}`],
      ],
    });
  const b = boot("b", "ifconfig eth0 10.0.0.2 up; echo ready; nc -l -p 7 | sha256sum");
  const up = await b.printed("ready");
  const a = boot(
    "a",
    `ifconfig eth0 10.0.0.1 up; ping -c 5 -i 0.2 10.0.0.2 || exit 1
    dd if=/dev/urandom of=/tmp/data bs=1k count=2000 2>/dev/null; sha256sum /tmp/data; nc 10.0.0.2 7 </tmp/data`,
  );
  const ended = up && await a.ended() && await b.ended();
  for (const guest of [a, b]) {
    guest.stop();
    await guest.ended();
  }
  serving = false;
  await done;
  for (const server of servers) {
    server.close();
    server.served.stop();
  }
  assert(ended, a.output + b.output);
  const sums = [a, b].map(({ output }) => /^[0-9a-f]{64}/m.exec(output)?.[0]);
  assert(sums[0] !== undefined && sums[0] === sums[1], `${sums}`);
  const { stdout } = new Deno.Command("tshark", {
    args: ["-r", record, "-Y", "icmp", "-T", "fields", "-e", "ip.src"],
    stderr: "null",
  }).outputSync();
  const sources = new TextDecoder().decode(stdout).trim().split("\n");
  assertEquals(["10.0.0.1", "10.0.0.2"].map((ip) => sources.filter((source) => source === ip).length), [5, 5]);
  assertEquals(leaked(), [0, 0]);
  Deno.removeSync(folder, { recursive: true });
});
