"""What the SDK's documentation shows of commands, in sandboxes that really run."""

import asyncio

import drive
from clients import control
from langsmith.sandbox import CommandTimeoutError, SandboxConnectionError, SandboxOperationError

# Asks, and answers with what it was told.
ASK = """python3 -c 'name = input("Name: "); print(f"Hello {name}")'"""

# Ends well as soon as there is no such process, and badly if it stays.
UNTIL_GONE = "for i in $(seq 300); do kill -0 {} 2>/dev/null || exit 0; sleep 0.1; done; exit 1"


class Commands(drive.InSandbox):
    async def test_run(self):
        result = await self.do(self.box.run("python3 -c 'print(2 + 2)'"))
        self.assertEqual((result.stdout, result.stderr, result.exit_code, result.success), ("4\n", "", 0, True))
        result = await self.do(self.box.run("echo oh >&2; exit 7"))
        self.assertEqual((result.stdout, result.stderr, result.exit_code, result.success), ("", "oh\n", 7, False))

    async def test_run_has_an_environment_a_folder_and_a_shell(self):
        result = await self.do(self.box.run("echo $A; pwd", env={"A": "x y"}, cwd="/tmp"))
        self.assertEqual(result.stdout, "x y\n/tmp\n")
        result = await self.do(self.box.run("pwd; echo $0"))
        self.assertEqual(result.stdout, "/home/user\n/bin/bash\n")
        result = await self.do(self.box.run("echo $0", shell="/bin/sh", headers={"X-Trace": "1"}))
        self.assertEqual(result.stdout, "/bin/sh\n")

    async def test_what_cannot_start(self):
        for options in [{"shell": "/none"}, {"cwd": "/none"}]:
            with self.subTest(options), self.assertRaises(SandboxOperationError) as caught:
                await self.do(self.box.run("true", **options))
            self.assertEqual((caught.exception.operation, caught.exception.error_type), ("command", "CommandError"))

    async def test_without_websockets_it_goes_over_http(self):
        refused = {"operation": "execute_ws", "status": 404, "count": None}
        control("POST", "/_sbx/faults", refused)
        result = await self.do(self.box.run("echo $A; pwd >&2; exit 3", env={"A": "b"}, cwd="/tmp", shell="/bin/sh"))
        self.assertEqual((result.stdout, result.stderr, result.exit_code), ("b\n", "/tmp\n", 3))
        with self.assertRaises(SandboxConnectionError):
            await self.start("true")

    async def test_callbacks(self):
        out, err = [], []
        result = await self.do(
            self.box.run(
                "for i in 1 2 3; do echo $i; sleep 0.05; done; echo oh >&2; exit 2",
                timeout=600,
                on_stdout=out.append,
                on_stderr=err.append,
            )
        )
        self.assertEqual(("".join(out), "".join(err)), ("1\n2\n3\n", "oh\n"))
        self.assertEqual((result.stdout, result.stderr, result.exit_code), ("1\n2\n3\n", "oh\n", 2))
        with self.assertRaises(ValueError):
            await self.do(self.box.run("true", wait=False, on_stdout=out.append))

    async def test_a_handle(self):
        handle = await self.start("echo é; sleep 0.1; echo oh >&2; sleep 0.1; echo ü; exit 5", timeout=600)
        self.assertTrue(handle.command_id)
        self.assertGreater(handle.pid, 1)
        chunks = [(chunk.stream, chunk.data, chunk.offset) for chunk in await self.chunks(handle)]
        self.assertEqual(chunks, [("stdout", "é\n", 0), ("stderr", "oh\n", 0), ("stdout", "ü\n", 3)])
        result = await self.result(handle)
        self.assertEqual((result.stdout, result.stderr, result.exit_code), ("é\nü\n", "oh\n", 5))
        self.assertEqual((handle.last_stdout_offset, handle.last_stderr_offset), (6, 3))

    async def test_input(self):
        handle = await self.start(ASK, timeout=30)
        self.assertEqual(await self.until(handle, "Name:"), "Name: ")
        await self.do(handle.send_input("World\n"))
        self.assertEqual((await self.result(handle)).stdout, "Name: Hello World\n")

    async def test_kill_and_reconnect(self):
        handle = await self.start("echo begun; sleep 1000 & sleep 1000", timeout=7200)
        await self.until(handle, "begun")
        await self.do(handle.kill())
        again = await self.do(self.box.reconnect(handle.command_id))
        result = await self.result(again)
        self.assertEqual((result.stdout, result.exit_code, result.success), ("begun\n", 137, False))

    async def test_kill_while_somebody_reads(self):
        seen = []
        # A thread of its own reads in the documentation.
        reading = asyncio.create_task(self.read_into(seen))

        async def has_begun():
            return seen

        handle = (await self.eventually(has_begun))[0]
        await self.do(handle.kill())
        with self.assertRaises(SandboxConnectionError):
            await reading
        again = await self.do(self.box.reconnect(handle.command_id))
        self.assertEqual((await self.result(again)).exit_code, 137)

    async def read_into(self, seen):
        handle = await self.start("echo begun; exec sleep 1000", timeout=7200)
        await self.until(handle, "begun")
        seen.append(handle)
        await self.chunks(handle)

    async def test_no_timeout(self):
        handle = await self.start("echo Ready; exec sleep 1000", timeout=0)
        await self.until(handle, "Ready")
        self.assertEqual((await self.do(self.box.run("echo other work"))).stdout, "other work\n")
        await self.do(handle.kill())
        result = await self.do(self.box.run(UNTIL_GONE.format(handle.pid)))
        self.assertTrue(result.success)

    async def test_no_timeout_with_callbacks(self):
        out = []
        result = await self.do(self.box.run("echo a; sleep 0.1; echo b", timeout=0, on_stdout=out.append))
        self.assertEqual(("".join(out), result.exit_code), ("a\nb\n", 0))

    async def test_a_timeout(self):
        with self.assertRaises(CommandTimeoutError):
            await self.do(self.box.run("sleep 1000", timeout=1))
        handle = await self.start("echo a; sleep 1000", timeout=1)
        with self.assertRaises(CommandTimeoutError) as caught:
            await self.chunks(handle)
        self.assertEqual((caught.exception.operation, handle.last_stdout_offset), ("command", 2))

    async def test_much_output_is_whole(self):
        result = await self.do(self.box.run("head -c 20000000 /dev/zero | tr '\\0' x"))
        self.assertEqual(len(result.stdout), 20_000_000)

    async def test_output_that_is_cut_anywhere_is_text(self):
        result = await self.do(self.box.run("python3 -c 'print(\"é€😀\" * 200_000, end=\"\")'"))
        self.assertEqual(result.stdout, "é€😀" * 200_000)
        handle = await self.start(r"printf '\303'; sleep 0.2; printf '\251\377!'")
        await self.chunks(handle)
        self.assertEqual((await self.result(handle)).stdout, "é\N{REPLACEMENT CHARACTER}!")


class Reconnecting(drive.InSandbox):
    async def test_in_another_program(self):
        handle = await self.start("echo begun; read line; echo $line", timeout=600)
        await self.until(handle, "begun")
        other = self.make_client()
        box = await self.do(other.get_sandbox(name=self.box.name))
        again = await self.do(box.reconnect(handle.command_id))
        self.assertIsNone(again.pid)
        # This library connects when the handle is first read, and drops what is sent before.
        await self.until(again, "begun")
        # Both are on one command: what one tells it, both see the end of.
        await self.do(again.send_input("there\n"))
        self.assertEqual((await self.result(again)).stdout, "begun\nthere\n")
        self.assertEqual((await self.result(handle)).stdout, "begun\nthere\n")
        await self.do(other.close() if self.prefix == "sync" else other.aclose())

    async def test_from_an_offset(self):
        handle = await self.start("printf abc; printf xyz >&2; exit 3")
        await self.chunks(handle)
        again = await self.do(self.box.reconnect(handle.command_id, stdout_offset=2, stderr_offset=1))
        result = await self.result(again)
        self.assertEqual((result.stdout, result.stderr, result.exit_code), ("c", "yz", 3))

    async def test_to_what_is_not_known(self):
        with self.assertRaises(SandboxOperationError) as caught:
            await self.chunks(await self.do(self.box.reconnect("unknown")))
        self.assertEqual((caught.exception.operation, caught.exception.error_type), ("reconnect", "CommandNotFound"))

    async def test_by_itself_after_a_lost_connection(self):
        for cut in [{}, {"close_code": 1012}, {"close_code": 1011}]:
            with self.subTest(cut):
                control("POST", "/_sbx/faults", {"operation": "execute_ws", "cut_after_bytes": 2, **cut})
                handle = await self.start("echo a; sleep 0.3; echo b; exit 4", timeout=600)
                self.assertEqual("".join(chunk.data for chunk in await self.chunks(handle)), "a\nb\n")
                self.assertEqual((await self.result(handle)).exit_code, 4)

    async def test_by_itself_after_two_losses(self):
        cut = {"operation": "execute_ws", "cut_after_bytes": 2, "close_code": 1012, "count": 2}
        control("POST", "/_sbx/faults", cut)
        handle = await self.start("for i in 1 2 3; do echo $i; sleep 0.2; done")
        self.assertEqual((await self.result(handle)).stdout, "1\n2\n3\n")

    async def test_by_hand_after_a_reload(self):
        # This library takes 1001 for a normal end, as it does 1000: it does not come back by itself, and says so.
        for code in (1000, 1001):
            with self.subTest(code):
                control("POST", "/_sbx/faults", {"operation": "execute_ws", "cut_after_bytes": 2, "close_code": code})
                handle = await self.start("echo a; sleep 0.3; echo b; exit 4", timeout=600)
                self.assertEqual("".join(chunk.data for chunk in await self.chunks(handle)), "a\n")
                with self.assertRaisesRegex(SandboxOperationError, "without exit message"):
                    await self.result(handle)
                again = await self.do(handle.reconnect())
                result = await self.result(again)
                self.assertEqual((result.stdout, result.exit_code), ("b\n", 4))


class Lifecycle(drive.InSandbox):
    async def test_a_finished_command_is_kept_for_a_while(self):
        handle = await self.start("echo built")
        await self.chunks(handle)
        again = await self.do(self.box.reconnect(handle.command_id))
        self.assertEqual((await self.result(again)).stdout, "built\n")

        handle = await self.start("echo built", ttl_seconds=1)
        await self.chunks(handle)

        async def is_over():
            try:
                await self.chunks(await self.do(self.box.reconnect(handle.command_id)))
            except SandboxOperationError as error:
                return error

        error = await self.eventually(is_over)
        self.assertEqual((error.operation, error.error_type), ("reconnect", "SessionExpired"))

    async def test_a_command_that_nobody_follows_is_killed(self):
        _, pid = await self.start_and_leave("echo up; exec sleep 1000", timeout=0, idle_timeout=1)
        self.assertTrue((await self.do(self.box.run(UNTIL_GONE.format(pid)))).success)

    async def test_while_somebody_follows_nothing_is_idle(self):
        handle = await self.start("echo up; sleep 2.5; echo done", timeout=0, idle_timeout=1)
        self.assertEqual((await self.result(handle)).stdout, "up\ndone\n")

    async def test_kill_on_disconnect(self):
        # Nothing else would end it.
        options = {"kill_on_disconnect": True, "timeout": 0, "idle_timeout": -1}
        _, pid = await self.start_and_leave("echo up; exec sleep 1000", **options)
        self.assertTrue((await self.do(self.box.run(UNTIL_GONE.format(pid)))).success)

    async def test_fire_and_forget(self):
        options = {"timeout": 0, "idle_timeout": -1, "ttl_seconds": -1}
        command_id, _ = await self.start_and_leave("echo up; sleep 0.5; echo done; exit 6", **options)
        result = await self.result(await self.do(self.box.reconnect(command_id)))
        self.assertEqual((result.stdout, result.exit_code), ("up\ndone\n", 6))
        result = await self.result(await self.do(self.box.reconnect(command_id)))
        self.assertEqual((result.stdout, result.exit_code), ("up\ndone\n", 6))


class Terminals(drive.InSandbox):
    async def test_a_command_that_needs_one(self):
        result = await self.do(self.box.run("tty; echo to stderr >&2; test -t 0 -a -t 1 -a -t 2", pty=True))
        self.assertRegex(result.stdout, r"^/dev/pts/\d+\r\nto stderr\r\n$")
        self.assertEqual((result.stderr, result.exit_code), ("", 0))
        self.assertEqual((await self.do(self.box.run("test -t 0 -o -t 1 -o -t 2"))).exit_code, 1)

    async def test_a_dialogue_with_python(self):
        handle = await self.start("python3 -q", pty=True)
        await self.until(handle, ">>> ")
        await self.do(handle.send_input("print('hel' + 'lo')\n"))
        await self.until(handle, "\r\nhello\r\n")
        await self.do(handle.send_input("exit(9)\n"))
        self.assertEqual((await self.result(handle)).exit_code, 9)


drive.with_both_clients(globals(), Commands, Reconnecting, Lifecycle, Terminals)
