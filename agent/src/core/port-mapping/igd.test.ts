/** UPnP's texts: a real router's answers, those of liars, and any text at all. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  addMapping,
  askAddress,
  deleteMapping,
  parseAddressAnswer,
  parseDescription,
  parseFault,
  urlAt,
} from "./igd.ts";
import { parseSearchAnswer, searches } from "./ssdp.ts";
import { elements, elementText } from "./xml.ts";

const HOST = "192.168.1.1";
const LOCATION = `http://${HOST}:5000/rootDesc.xml`;
const text = (of: string) => new TextEncoder().encode(of);

const service = (type: string, url: string) =>
  `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>${url}</controlURL></service>`;
const description = (services: string, base = "") =>
  `<?xml version="1.0"?>\n<root xmlns="urn:schemas-upnp-org:device-1-0">${base}<device><deviceList><device>` +
  `<serviceList>${services}</serviceList></device></deviceList></device></root>`;
const controls = (services: string, base?: string) =>
  parseDescription(HOST, LOCATION, description(services, base));

const FOUND = [
  "HTTP/1.1 200 OK",
  "CACHE-CONTROL: max-age=120",
  "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1",
  "USN: uuid:00000000-0000-0000-0000-000000000000::urn:schemas-upnp-org:device:InternetGatewayDevice:1",
  "EXT:",
  "SERVER: Debian UPnP/1.1 MiniUPnPd/2.3.1",
  `LOCATION: ${LOCATION}`,
  "",
  "",
].join("\r\n");

test("a search is one datagram of text for each kind of router", () => {
  const [first, second] = searches().map((bytes) => new TextDecoder().decode(bytes));
  expect(first).toBe(
    'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n' +
      "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n",
  );
  expect(second).toContain("InternetGatewayDevice:2\r\n");
});

test("what answers a search, and what does not", () => {
  expect(parseSearchAnswer(text(FOUND))).toBe(LOCATION);
  expect(parseSearchAnswer(text(FOUND.replace("LOCATION", "Location").replaceAll("\r\n", "\n")))).toBe(
    LOCATION,
  );
  expect(parseSearchAnswer(text(FOUND.replace("200 OK", "404 Not Found")))).toBeUndefined();
  expect(parseSearchAnswer(text(FOUND.replace("InternetGatewayDevice", "MediaServer")))).toBeUndefined();
  expect(parseSearchAnswer(text(FOUND.replace("HTTP/1.1 200 OK", "NOTIFY * HTTP/1.1")))).toBeUndefined();
  expect(parseSearchAnswer(text(FOUND + "x".repeat(5_000)))).toBeUndefined();
});

test("only plain HTTP at the router itself is asked", () => {
  expect(urlAt(HOST, LOCATION)).toBe(LOCATION);
  expect(urlAt(HOST, `http://${HOST}`)).toBe(`http://${HOST}/`);
  const others = [
    `https://${HOST}/`,
    "http://127.0.0.1/",
    "http://169.254.169.254/latest/meta-data",
    `http://${HOST}@127.0.0.1/`,
    `http://${HOST}.example.net/`,
    `http://${HOST}:0/`,
    `http://${HOST}:65536/`,
    `http://${HOST}/a b`,
    `http://${HOST}/\r\nHost: x`,
    `http://${HOST}/${"x".repeat(600)}`,
    "",
  ];
  for (const other of others) expect(urlAt(HOST, other)).toBeUndefined();
});

test("the services that map ports, addresses before dialled lines, however their URLs are written", () => {
  const found = controls(
    service("WANPPPConnection:1", "/ppp") +
      service("WANCommonInterfaceConfig:1", "/common") +
      service("WANIPConnection:2", `http://${HOST}:5000/ip?a=1&amp;b=2`) +
      service("WANIPConnection:1", "ctl/ip"),
  );
  expect(found.map(({ url }) => url)).toEqual([
    `http://${HOST}:5000/ip?a=1&b=2`,
    `http://${HOST}:5000/ctl/ip`,
    `http://${HOST}:5000/ppp`,
  ]);
  const based = controls(service("WANIPConnection:1", "/ip"), `<URLBase>http://${HOST}:80/</URLBase>`);
  expect(based.map(({ url }) => url)).toEqual([`http://${HOST}:80/ip`]);
});

test("a description that points elsewhere points nowhere", () => {
  const elsewhere = ["http://127.0.0.1:8080/admin", "//example.net/ip", "file:///etc/passwd", ""];
  for (const url of elsewhere) expect(controls(service("WANIPConnection:1", url))).toEqual([]);
  const based = controls(service("WANIPConnection:1", "/ip"), "<URLBase>http://10.0.0.9/</URLBase>");
  expect(based.map(({ url }) => url)).toEqual([`http://${HOST}:5000/ip`]);
});

test("a question says all that the action takes, in its order", () => {
  const control = {
    url: `http://${HOST}:5000/ip`,
    service: "urn:schemas-upnp-org:service:WANIPConnection:1",
  };
  const mapping = { outsidePort: 5_000, port: 4_000, local: "192.168.1.2", lifetimeS: 7_200 };
  const { method, url, headers, body } = addMapping(control, mapping);
  expect([method, url]).toEqual(["POST", control.url]);
  expect(headers).toMatchObject({ SOAPAction: `"${control.service}#AddPortMapping"` });
  expect(body).toContain(
    "<NewRemoteHost></NewRemoteHost><NewExternalPort>5000</NewExternalPort><NewProtocol>UDP</NewProtocol>" +
      "<NewInternalPort>4000</NewInternalPort><NewInternalClient>192.168.1.2</NewInternalClient>" +
      "<NewEnabled>1</NewEnabled><NewPortMappingDescription>burrow</NewPortMappingDescription>" +
      "<NewLeaseDuration>7200</NewLeaseDuration>",
  );
  expect(deleteMapping(control, 5_000).body).toContain("<NewExternalPort>5000</NewExternalPort>");
  expect(askAddress(control).body).toContain("GetExternalIPAddress");
});

test("answers: the outer address, and why not", () => {
  const soap = (body: string) =>
    `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${body}</s:Body></s:Envelope>`;
  const address =
    '<u:GetExternalIPAddressResponse xmlns:u="urn:x"><NewExternalIPAddress> 203.0.113.9 </NewExternalIPAddress></u:GetExternalIPAddressResponse>';
  expect(parseAddressAnswer(soap(address))).toBe("203.0.113.9");
  expect(parseAddressAnswer(soap("<NewExternalIPAddress/>"))).toBe("");
  const fault =
    "<s:Fault><detail><UPnPError><errorCode>718</errorCode><errorDescription>Conflict\u001b[2J</errorDescription></UPnPError></detail></s:Fault>";
  expect(parseFault({ status: 500, body: soap(fault) })).toEqual({
    code: 718,
    why: 'it answers "Conflict[2J" (718)',
  });
  expect(parseFault({ status: 404, body: "" })).toEqual({ code: 404, why: "it answers with code 404" });
});

test("elements by their local name", () => {
  expect(elements("<a><b>1</b><x:b c='2'>3</x:b><bb>4</bb><b/></a>", "b")).toEqual(["1", "3"]);
  expect(elementText("<a>&lt;&amp;&other;&gt;</a>", "a")).toBe("<&&other;>");
  expect(elements("<a><a>", "a")).toEqual([]);
});

test("any text is read", () => {
  const pieces = fc.constantFrom("<", ">", "/", "service", "controlURL", "<service>", "</service>", "&", " ");
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string())), (parts) => {
      const xml = parts.join("");
      for (const { url } of parseDescription(HOST, LOCATION, xml)) expect(url).toStartWith(`http://${HOST}`);
      parseFault({ status: 500, body: xml });
      parseSearchAnswer(text(`HTTP/1.1 200 OK\r\n${xml}`));
    }),
  );
});
