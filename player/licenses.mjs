// Writes what the player's script holds of others: name, version, checksum and licence of each package.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const lock = JSON.parse(readFileSync("package-lock.json", "utf-8")).packages;
const inside = Object.keys(lock).filter((at) => at && !lock[at].dev).sort();
const texts = inside.map((at) => {
  const file = readdirSync(at).find((name) => /^licen[sc]e/i.test(name));
  const { name, license } = JSON.parse(readFileSync(`${at}/package.json`, "utf-8"));
  return `${name} ${lock[at].version}, ${license}\n${lock[at].integrity}\n\n${readFileSync(`${at}/${file}`, "utf-8").trim()}\n`;
});
writeFileSync(process.argv[2], `player.js holds code of these packages.\n\n${texts.join(`\n${"-".repeat(80)}\n\n`)}`);
