/** Where people are, roughly: large cities in 20 regions, with how many of a hundred agents live around each. */
import type { Place } from "@burrow/protocol";

export interface Metro {
  readonly name: string;
  readonly region: string;
  readonly at: Place;
  readonly weight: number;
}

const TABLE = `
us-east New-York 40.71 -74.01 4.5|us-east Washington 38.90 -77.04 2|us-east Atlanta 33.75 -84.39 2|us-east Miami 25.76 -80.19 1.5
us-central Chicago 41.88 -87.63 2.5|us-central Dallas 32.78 -96.80 2.5|us-central Denver 39.74 -104.99 1
us-west Los-Angeles 34.05 -118.24 3|us-west Seattle 47.61 -122.33 1.2|us-west San-Jose 37.34 -121.89 1.8
canada Toronto 43.65 -79.38 1.5|canada Montreal 45.50 -73.57 1|canada Vancouver 49.28 -123.12 0.5
mexico Mexico-City 19.43 -99.13 2|mexico Monterrey 25.69 -100.32 0.7
brazil Sao-Paulo -23.55 -46.63 3|brazil Rio -22.91 -43.17 1.5|brazil Fortaleza -3.73 -38.53 0.5
andes Bogota 4.71 -74.07 1.2|andes Lima -12.05 -77.04 1|andes Santiago -33.45 -70.67 0.8
plata Buenos-Aires -34.60 -58.38 1.5
uk London 51.51 -0.13 3.5|uk Manchester 53.48 -2.24 1.5
eu-west Paris 48.86 2.35 3|eu-west Amsterdam 52.37 4.90 1.5|eu-west Madrid 40.42 -3.70 2|eu-west Dublin 53.35 -6.26 0.5
eu-central Frankfurt 50.11 8.68 3.5|eu-central Milan 45.46 9.19 2|eu-central Vienna 48.21 16.37 1.5|eu-central Berlin 52.52 13.40 2|eu-central Zurich 47.38 8.54 1
eu-north Stockholm 59.33 18.07 1.2|eu-north Warsaw 52.23 21.01 2|eu-north Helsinki 60.17 24.94 0.5
eu-east Moscow 55.76 37.62 2|eu-east Bucharest 44.43 26.10 1|eu-east Istanbul 41.01 28.98 2|eu-east Kyiv 50.45 30.52 1
middle-east Dubai 25.20 55.27 1|middle-east Riyadh 24.71 46.68 0.8|middle-east Tel-Aviv 32.09 34.78 0.6
africa Johannesburg -26.20 28.05 1|africa Lagos 6.52 3.38 1|africa Nairobi -1.29 36.82 0.6|africa Cairo 30.04 31.24 1
india Mumbai 19.08 72.88 3.5|india Delhi 28.61 77.21 3.5|india Chennai 13.08 80.27 1.5|india Bangalore 12.97 77.59 1.5
sea Singapore 1.35 103.82 1.5|sea Jakarta -6.21 106.85 2|sea Bangkok 13.76 100.50 1.2|sea Manila 14.60 120.98 1.2
china-coast Hong-Kong 22.32 114.17 2|china-coast Taipei 25.03 121.57 1
japan Tokyo 35.69 139.69 3.5|japan Osaka 34.69 135.50 1.5
korea Seoul 37.57 126.98 2.5
oceania Sydney -33.87 151.21 1.2|oceania Melbourne -37.81 144.96 1|oceania Auckland -36.85 174.76 0.4`;

export const METROS: readonly Metro[] = TABLE.trim()
  .split(/[|\n]/)
  .map((entry) => {
    const [region = "", name = "", lat, lon, weight] = entry.split(" ");
    return { region, name, at: { lat: Number(lat), lon: Number(lon) }, weight: Number(weight) };
  });
