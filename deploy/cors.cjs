// The web pages that may send files to the bucket, read by resources.yml: those that may call the API.

const origins = (process.env.CORS_ORIGINS || "").split(",").flatMap((origin) => origin.trim() || []);

// A rule needs an origin: without any it names one that can't exist.
module.exports = { origins: origins.length > 0 ? origins : ["https://none.invalid"] };
