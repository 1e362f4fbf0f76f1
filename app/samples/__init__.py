"""Made-up archives for trying and testing: a catalog, an inventory and the findings that lie between them.

Everything follows from the seed and from the number of a file (`draws.sql`). `findings.sql` decides which files become
findings; the rows of the catalog and of the inventory, and `expected.json`, are all derived from that table.
"""

from app.samples.expected import Expected
from app.samples.generate import generate
from app.samples.plan import BadSampleRequest, FileFormat

__all__ = ["BadSampleRequest", "Expected", "FileFormat", "generate"]
