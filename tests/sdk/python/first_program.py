from langsmith.sandbox import SandboxClient

client = SandboxClient()
client.create_template(name="python", image="python:3.12-slim")
with client.sandbox(template_name="python") as sandbox:
    result = sandbox.run("python --version")
    print(result.stdout)
