
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The fuzzer of replies as a test: the same replies at every run, 200,000 of
 * them under AddressSanitizer, and a step with a bug that must be found.
 */


#include "../fuzz/fuzz_reply.c"

#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>


#if defined(__SANITIZE_ADDRESS__)
#define REPLIES  200000
#else
#define REPLIES  40000
#endif


static void
run(unsigned long replies)
{
    size_t    i;
    uint8_t   seed[16];
    uint64_t  n;

    fuzz_replies = 0;

    for (n = 1; fuzz_replies < replies; n++) {

        /* the first half of each is what a true reply begins with */

        for (i = 0; i < sizeof(seed); i++) {
            seed[i] = (uint8_t) ((n * 0x9e3779b97f4a7c15) >> (i % 8 * 8));
        }

        (void) LLVMFuzzerTestOneInput(seed, sizeof(seed));
    }
}


static void
test_replies(void **state)
{
    (void) state;

    run(REPLIES);

    print_message("%lu replies\n", fuzz_replies);
}


/* takes it for granted that there are two elements */

static mdm_int_t
planted(mdm_exchange_t *x)
{
    mdm_str_t           key;
    const mdm_reply_t  *reply;

    if (x->state == 0) {
        mdm_str_set(&key, "mdm:{default/0}");

        if (mdm_exchange_calls(x, 1, 1) != MDM_CALL
            || mdm_exchange_call(x, 0, &mdm_script_idle, &key, 0) == NULL)
        {
            return MDM_ERROR;
        }

        return MDM_CALL;
    }

    reply = x->calls[0].reply;

    return mdm_exchange_empty(x, reply->elements[1]->type == MDM_REPLY_NIL
                                 ? 200 : 204);
}


static void
test_planted(void **state)
{
    int            status;
    pid_t          pid;
    struct rlimit  none;

    (void) state;

    pid = fork();
    assert_int_not_equal(pid, -1);

    if (pid == 0) {
        none.rlim_cur = 0;
        none.rlim_max = 0;

        (void) setrlimit(RLIMIT_CORE, &none);
        (void) close(STDERR_FILENO);

        /* not cmocka's */

        (void) signal(SIGSEGV, SIG_DFL);
        (void) signal(SIGABRT, SIG_DFL);

        fuzz_planted = planted;
        run(10000);
        _exit(0);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_planted),
        cmocka_unit_test(test_replies)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
