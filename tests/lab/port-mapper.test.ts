/** The lab's port-mapping router: its answers byte by byte, and that a mapped port can be reached through a hard NAT. */
import { expect, test } from "bun:test";
import { Lab } from "./netns.ts";
import { answerMapping } from "./port-mapper.ts";
import { skipWithoutLab } from "./require.ts";
import { Topology } from "./topology.ts";
import { UdpPeer } from "./udp.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));
const options = { outside: "203.0.113.9", epochS: () => 7, map: () => 5_000 };
const answer = (hex: string) => answerMapping(bytes(hex), "192.168.1.2", options)?.toHex();

test("NAT-PMP: the outside address, a mapping, and what it does not know", () => {
  expect(answer("00 00")).toBe("0080000000000007cb007109");
  expect(answer("00 01 0000 0fa0 0000 00000e10")).toBe("00810000000000070fa0138800000e10");
  expect(answer("00 02 0000 0fa0 0000 00000e10")).toBe("0082000500000007");
});

test("PCP: a mapping bears the request's nonce; versions and opcodes it does not know are refused", () => {
  const nonce = "0102030405060708090a0b0c";
  const client = `${"00".repeat(10)}ffffc0a80102`;
  const map = `02 01 0000 00000e10 ${client} ${nonce} 11 000000 0fa0 0000 ${"00".repeat(16)}`;
  const outside = `${"00".repeat(10)}ffffcb007109`;
  expect(answer(map)).toBe(`0281000000000e1000000007${"00".repeat(12)}${nonce}110000000fa01388${outside}`);
  expect(answer(`02 02 0000 00000e10 ${client}`)?.slice(0, 8)).toBe("02820004");
  expect(answer("01 01 0000")?.slice(0, 8)).toBe("02810001");
});

test("a router that knows no PCP says so in NAT-PMP", () => {
  const asked = bytes("02 01 0000 00000e10");
  const refused = answerMapping(asked, "192.168.1.2", { ...options, natPmpOnly: true });
  expect(refused?.toHex()).toBe("0081000100000007");
});

test("answers are not answered, and neither is half a header", () => {
  expect(answer("00 80")).toBeUndefined();
  expect(answer("00")).toBeUndefined();
});

test.skipIf(skipWithoutLab("port-mapper.test.ts"))(
  "a port mapped by NAT-PMP reaches a host behind a hard NAT, until it is given back",
  async () => {
    await using lab = Lab.open();
    const net = await Topology.create(lab);
    const router = await net.router("router", "81.2.69.1", "hard");
    const inside = new UdpPeer(await router.host("inside"));
    const outside = new UdpPeer(await net.publicHost("outside", "81.2.69.2"));
    await router.mapPorts();
    const [listener, sender] = [await inside.open(), await outside.open()];
    const ask = async (lifetime: string) => {
      const asking = await inside.open();
      const port = listener.port.toString(16).padStart(4, "0");
      asking.send(`hex:00010000${port}${port}${lifetime}`, `${router.insideAddress}:5351`);
      await asking.next();
    };
    await ask("00000e10");
    sender.send("hello", `81.2.69.1:${listener.port}`);
    expect((await listener.next())?.text).toBe("hello");
    await ask("00000000");
    const later = await outside.open();
    later.send("again", `81.2.69.1:${listener.port}`);
    expect(await listener.next()).toBeUndefined();
  },
  20_000,
);
