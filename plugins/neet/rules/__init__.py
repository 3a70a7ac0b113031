"""The DfE's rules as versioned packs, judged in SQL.

``pack``        reads the YAML of ``expectations/nccis/<requirement year>/``
``codes``       the dated code lists that rules name, read from the seeds
``workspace``   the prepared tables that rules are judged over, and their removal
``judge``       every rule over every record in one SQL pass, and the failing rows of one rule
``gate_checks`` the checks of ``expectations/gates/``, beyond the DfE's own
``gx``          one Great Expectations expectation a rule, and the Data Docs
``movement``    what changed since the last sealed submission

Any source with the columns of ``ret_nccis_record``, ``ret_nccis_characteristic`` and
``ret_nccis_header`` can be judged: the models of a census run, or records read from an XML file.
"""
