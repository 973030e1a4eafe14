// The roles and permissions that endpoints ask for.

/** PLATFORM_ADMIN: every app. APP_ADMIN: all of its app. APP_VIEWER: reads all of its app, and changes nothing. */
export const ROLES = ["PLATFORM_ADMIN", "APP_ADMIN", "APP_VIEWER"] as const;

/** The permissions to read, which a viewer has. */
export const VIEWS = ["jobs.view_jobs", "job:Read"] as const;

export const PERMISSIONS = [
  "jobs.create_jobs",
  "jobs.view_jobs",
  "jobs.cancel_jobs",
  "jobs.retry_jobs",
  "job:Create",
  "job:Read",
  "reports.export_reports",
  "jobs.send_notifications",
  "jobs.clean_up",
  "jobs.bulk_actions",
] as const;
