"""What the commands take and call, one file per modality; help loads none of what they call."""
