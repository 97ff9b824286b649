"""What a mail would look like: `/mail?to=a@example.org&subject=Hello`."""

from email.message import EmailMessage

from routes import Query, Routes


def start(routes: Routes) -> None:
    """Add the preview."""
    routes.add("/mail", preview)


def preview(query: Query) -> str:
    """Write the message as it would go over the wire."""
    message = EmailMessage()
    message["To"] = query["to"]
    message["Subject"] = query["subject"]
    message.set_content(query.get("text", "(nothing)"))
    return message.as_string()
