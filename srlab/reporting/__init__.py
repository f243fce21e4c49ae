"""Reports: pictures and pages that show what runs and upsamplers do."""
